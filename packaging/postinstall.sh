#!/bin/sh
# After installation or upgrade. dpkg passes "configure" and the version that was configured before, rpm how many versions are
# installed now.
set -e

case "$1" in
configure) previous=$2 ;;
[0-9]*) if [ "$1" -gt 1 ]; then previous=rpm; else previous=; fi ;;
*) exit 0 ;; # dpkg gives up on something
esac

systemd-sysusers alert-relay.conf
systemd-tmpfiles --create alert-relay.conf

config=/etc/alert-relay/config.yaml
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if systemctl is-active --quiet alert-relay.service; then
		# What runs is better than what doesn't start.
		if runuser -u alert-relay -- /usr/bin/alert-relay check $config; then
			systemctl restart alert-relay.service || echo "alert-relay didn't start: see journalctl -u alert-relay"
		else
			echo "alert-relay: $config isn't valid for this version, so the old one keeps running. Correct it, then: systemctl restart alert-relay"
		fi
	fi
fi

[ -n "$previous" ] || cat <<'END'
alert-relay is installed, but not started. Next:
  1. write /etc/alert-relay/config.yaml (an example is in /usr/share/doc/alert-relay)
  2. alert-relay check --strict /etc/alert-relay/config.yaml
  3. systemctl enable --now alert-relay
END
