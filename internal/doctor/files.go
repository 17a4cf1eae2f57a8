package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nms-alert-relay/internal/config"
)

// file is one file that others must not read, or must not write.
type file struct {
	key, name string
	private   bool // others must not read it
	mode      fs.FileMode
	err       error
}

// fileChecks checks who may read and write the files, and how long our certificates are valid.
func fileChecks(_ context.Context, o Options) []Check {
	if o.Config == nil {
		return nil
	}
	l := list{area: "files"}
	files := filesOf(o.Config)
	for i, f := range files {
		info, err := os.Stat(f.name)
		if files[i].err = err; err == nil {
			files[i].mode = info.Mode()
		}
	}
	judgeFiles(&l, files)
	for _, p := range pairs(o.Config) {
		name := p.key + ".cert_file"
		leaf, err := readCertificate(p.certFile)
		if err != nil {
			l.failure(name, err.Error(), "give a PEM file with the certificate and its chain")
			continue
		}
		judgeCertificate(&l, name, "the certificate", leaf, o.Now(), "renew it: the relay reads the files again when they change")
	}
	return l.checks
}

// pair is a certificate of ours with its key.
type pair struct{ key, certFile, keyFile string }

// pairs returns the certificates of listeners with TLS, and of sources that require a client's.
func pairs(c *config.Config) (list []pair) {
	add := func(p pair) {
		if p.certFile != "" {
			list = append(list, p)
		}
	}
	add(pair{"server.tls", c.Server.TLS.CertFile, c.Server.TLS.KeyFile})
	add(pair{"server.admin_tls", c.Server.AdminTLS.CertFile, c.Server.AdminTLS.KeyFile})
	for i, z := range c.Zabbix {
		add(pair{fmt.Sprintf("zabbix[%d]", i), z.CertFile, z.KeyFile})
	}
	return list
}

// filesOf lists the files of a configuration. The configuration itself warns about secret files that others can read.
func filesOf(c *config.Config) []file {
	list := []file{{key: "configuration", name: c.File}}
	for name, what := range c.SecretFiles() {
		list = append(list, file{key: what, name: name})
	}
	for _, p := range pairs(c) {
		list = append(list, file{key: p.key + ".key_file", name: p.keyFile, private: true})
	}
	return list
}

// judgeFiles warns about each file that others can write, or read although it is private.
func judgeFiles(l *list, files []file) {
	good := 0
	for _, f := range files {
		switch perm := f.mode.Perm(); {
		case f.err != nil:
			l.failure(f.key, "cannot read "+f.name+": "+cause(f.err), "give this user read access, or correct the path")
		case f.mode.IsRegular() && perm&0o002 != 0:
			l.warning(f.key, f.name+" is writable by everybody on this machine", "chmod o-w "+f.name)
		case f.private && f.mode.IsRegular() && perm&0o004 != 0:
			l.warning(f.key, f.name+" is readable by everybody on this machine", "chmod o-r "+f.name)
		default:
			good++
		}
	}
	if good == len(files) {
		l.ok("modes", fmt.Sprintf("nobody else can write the configuration and the secrets (files: %d)", len(files)))
	}
}

// cause is a file system error without its path.
func cause(err error) string {
	if p, ok := err.(*fs.PathError); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// readCertificate reads the first certificate of a PEM file.
func readCertificate(name string) (*x509.Certificate, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %s", name, cause(err))
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			leaf, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s: the certificate can't be read: %w", name, err)
			}
			return leaf, nil
		}
	}
	return nil, fmt.Errorf("%s has no PEM certificate", filepath.Clean(name))
}
