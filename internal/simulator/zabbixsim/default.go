package zabbixsim

import (
	"fmt"
	"time"

	"nms-alert-relay/internal/alert"
)

// defaultTriggers is a small, ordinary network, for the demo.
func defaultTriggers() []Trigger {
	site := func(name string) []alert.Tag { return []alert.Tag{{Tag: "site", Value: name}} }
	core := Host{ID: "10501", Host: "sw-core-1", Name: "Core switch 1", IP: "10.0.0.2", Groups: []string{"Network", "Zürich"}, Tags: site("zürich")}
	edge := Host{ID: "10502", Host: "fw-edge-1", Name: "Edge firewall", IP: "10.0.0.1", Groups: []string{"Network", "Zürich"}, Tags: site("zürich")}
	db := Host{ID: "10503", Host: "db1", Name: "Database 1", IP: "10.0.2.11", Groups: []string{"Databases"}, Tags: site("geneva")}
	web := Host{ID: "10504", Host: "web1", Name: "Web shop 1", IP: "10.0.3.21", Groups: []string{"Web"}, Tags: site("geneva")}
	backup := Host{ID: "10505", Host: "backup1", Name: "Backup server", IP: "10.0.4.5", Groups: []string{"Linux servers"}, Tags: site("geneva")}
	t := func(id string, h Host, s alert.Severity, name, opdata, recovered string, tags ...alert.Tag) Trigger {
		return Trigger{ID: id, Host: h, Severity: s, Name: name, OpData: opdata, Recovered: recovered, ManualClose: true,
			ItemID: "4" + id, ItemName: name, Tags: tags, URL: "https://wiki.example.com/runbook/" + id}
	}
	service := func(v string) alert.Tag { return alert.Tag{Tag: "service", Value: v} }
	list := []Trigger{
		t("23101", core, alert.High, "Interface Gi1/0/24: link down", "oper status: down (2)", "oper status: up (1)", service("switching")),
		t("23102", core, alert.Average, "High CPU utilisation on Core switch 1", "CPU 94 %", "CPU 31 %", service("switching")),
		t("23103", edge, alert.Disaster, "Edge firewall is unreachable by ICMP", "ping: no answer", "ping: 0.4 ms", service("internet")),
		t("23104", db, alert.High, "PostgreSQL: replication lag over 60 s", "lag 84 s", "lag 0.2 s", service("db")),
		t("23105", db, alert.Warning, "Disk space low on /var/lib/postgresql (used > 80 %)", "used 83.4 %", "used 61.0 %", service("db")),
		t("23106", web, alert.Average, "Checkout answers slower than 2 s", "median 2.7 s", "median 0.3 s", service("shop")),
		t("23107", backup, alert.Information, "Backup took longer than usual", "5 h 12 min", "2 h 58 min", service("backup")),
		t("23108", web, alert.Warning, "TLS certificate expires in less than 14 days", "13 days left", "89 days left", service("shop")),
	}
	list[6].ManualClose = false
	measured(list)
	return list
}

// measured gives the triggers their items, and the expressions that compare them.
func measured(list []Trigger) {
	for i, m := range []struct {
		expression string
		items      []Item
	}{
		{"last(/sw-core-1/net.if.status[Gi1/0/24])=2", []Item{{Name: "Interface Gi1/0/24: operational status", Key: "net.if.status[Gi1/0/24]", Type: "3", Normal: 1, Bad: 2,
			Values: map[string]string{"1": "up", "2": "down", "3": "testing"}}}},
		{"min(/sw-core-1/system.cpu.util,5m)>90", []Item{{Name: "CPU utilisation", Key: "system.cpu.util", Type: "0", Units: "%", Normal: 27, Bad: 91, Noise: 6, Rise: 15 * time.Minute}}},
		{"max(/fw-edge-1/icmpping,#3)=0", []Item{{Name: "ICMP ping", Key: "icmpping", Type: "3", Normal: 1, Values: map[string]string{"0": "down", "1": "up"}}}},
		{"last(/db1/pgsql.replication.lag)>1m", []Item{{Name: "Replication lag", Key: "pgsql.replication.lag", Type: "0", Units: "s", Normal: 0.2, Bad: 80, Noise: 5, Rise: 25 * time.Minute}}},
		{"last(/db1/vfs.fs.size[/var/lib/postgresql,pused])>80", []Item{{Name: "/var/lib/postgresql: used space", Key: "vfs.fs.size[/var/lib/postgresql,pused]", Type: "0", Units: "%", Normal: 61, Bad: 82.6, Noise: 0.8, Rise: 3 * time.Hour}}},
		{"avg(/web1/shop.checkout.median,5m)>2 and last(/web1/shop.checkout.rate)>0", []Item{
			{Name: "Checkout: median time", Key: "shop.checkout.median", Type: "0", Units: "s", Normal: 0.3, Bad: 2.4, Noise: 0.5, Rise: 10 * time.Minute},
			{ID: "523106", Name: "Checkout: requests", Key: "shop.checkout.rate", Type: "0", Units: "rps", Normal: 40, Bad: 12, Noise: 9, Rise: 10 * time.Minute}}},
		{`find(/backup1/log[/var/log/backup.log],,"regexp","late")=1`, []Item{{Name: "Log of the backup", Key: "log[/var/log/backup.log]", Type: "2", Bad: 1,
			Texts: [2]string{"backup finished after 2 h 58 min, 1.2 TiB", "backup is late: 71 % after 5 h 12 min"}}}},
		{"last(/web1/web.certificate.days)<14", []Item{{Name: "Certificate: days left", Key: "web.certificate.days", Type: "3", Units: "!days", Normal: 14, Bad: 13}}},
	} {
		if m.items[0].ID == "" {
			m.items[0].ID = list[i].ItemID
		}
		list[i].ItemName, list[i].Items, list[i].Expression = m.items[0].Name, m.items, m.expression
	}
}

// OutageTriggers are those of one incident: the cause, then what it causes. Nothing resolves their problems but people.
func OutageTriggers() []Trigger {
	shop := Host{ID: "10506", Host: "shop1", Name: "Web shop", IP: "10.0.3.10", Groups: []string{"Web"}}
	pay := Host{ID: "10507", Host: "pay1", Name: "Payment gateway", IP: "10.0.3.30", Groups: []string{"Web"}}
	tags := []alert.Tag{{Tag: "service", Value: "payment"}}
	return []Trigger{
		{ID: "23151", Host: shop, Severity: alert.Disaster, Name: "Payments fail", OpData: "62 % of the payments fail", Recovered: "0.4 % fail", ManualClose: true, Tags: tags,
			ItemID: "423151", ItemName: "Payments that fail", Expression: "avg(/shop1/shop.payment.failed,3m)>20", URL: "https://wiki.example.com/runbook/23151",
			Items: []Item{{ID: "423151", Name: "Payments that fail", Key: "shop.payment.failed", Type: "0", Units: "%", Normal: 0.4, Bad: 58, Noise: 7, Rise: 12 * time.Minute}}},
		{ID: "23152", Host: pay, Severity: alert.High, Name: "Calls to the bank time out", OpData: "38 % of the calls", Recovered: "no call", ManualClose: true, Tags: tags,
			ItemID: "423152", ItemName: "Calls that time out", Expression: "avg(/pay1/bank.timeouts,3m)>5", URL: "https://wiki.example.com/runbook/23152",
			Items: []Item{{ID: "423152", Name: "Calls that time out", Key: "bank.timeouts", Type: "0", Units: "%", Normal: 0.1, Bad: 36, Noise: 5, Rise: 20 * time.Minute}}},
	}
}

// StormTrigger is one of the triggers of a storm: access switch i is unreachable.
func StormTrigger(i int) Trigger {
	h := Host{ID: itoa(int64(20000 + i)), Host: fmt.Sprintf("sw-access-%04d", i), Name: fmt.Sprintf("Access switch %d", i),
		IP: fmt.Sprintf("10.%d.%d.%d", 64+i/62500, i/250%250, 1+i%250), Groups: []string{"Network", "Access"}}
	return Trigger{ID: itoa(int64(60000 + i)), Host: h, Name: "Unavailable by ICMP ping", Severity: alert.Average, OpData: "no answer", Recovered: "0.8 ms",
		ManualClose: true, ItemID: itoa(int64(90000 + i)), ItemName: "ICMP ping", Tags: []alert.Tag{{Tag: "service", Value: "access"}}}
}
