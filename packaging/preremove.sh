#!/bin/sh
# Before removal or upgrade. dpkg passes "remove" or "upgrade", rpm how many versions will be left.
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now alert-relay.service
	fi
	;;
esac
