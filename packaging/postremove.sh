#!/bin/sh
# After removal. The user stays, since files of his are left: the store, the configuration and its secrets.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
case "$1" in
purge | 0)
	rmdir /etc/alert-relay /var/lib/alert-relay 2>/dev/null || true # unless somebody's files are in them
	for left in /etc/alert-relay /var/lib/alert-relay; do
		[ ! -d $left ] || echo "alert-relay: $left is kept; remove it if you don't need it any more"
	done
	;;
esac
