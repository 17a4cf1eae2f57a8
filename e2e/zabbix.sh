#!/usr/bin/env bash
# A real Zabbix for the end-to-end tests.
#
#   e2e/zabbix.sh VERSION VERB [ARGUMENT…]        VERSION is 6.0 or 7.0
#
#   install     fetch what it needs with apt-get (6.0: onto this Debian 12;
#               7.0: Debian 13's packages into a directory of their own)
#   start       database, server and frontend; returns when the API answers
#   stop        end what start began
#   reset       start over with the database of a fresh installation
#   status      which of the three run
#   env         shell assignments: URLs, address of the trapper, credentials
#   send ARG…   zabbix_sender to this server
#   js ARG…     zabbix_js: runs a script in the interpreter of webhooks
#   sql ARG…    psql on Zabbix's database
#   log         the server's log
#   purge       stop, and delete everything that is kept
#
# Needs root; no systemd. Only 127.0.0.1 is listened on. The database does not
# wait for the disk, so it is fast and a power cut may cost it: it is for tests.
#
# Environment:
#   ZABBIX_STATE        where all of it is kept        (.zabbix in the repository)
#   ZABBIX_PORT         first of three ports           (6.0: 26000, 7.0: 27000)
#   ZABBIX_SERVER_CONF  more lines for zabbix_server.conf
#   ZABBIX_MIRROR       the Debian to take 7.0 from    (the one that apt uses here)
set -euo pipefail

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
note() { echo "zabbix.sh: $*" >&2; }
fail() { note "$@"; exit 1; }

VERSION=${1:-} VERB=${2:-}
[ -n "$VERB" ] || usage
shift 2
REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
HOME_DIR=$(realpath -m "${ZABBIX_STATE:-$REPOSITORY/.zabbix}/$VERSION")
PASSWORD=zabbix
# Pollers are of no use: every value comes through the trapper.
POLLERS=(StartPollers StartPollersUnreachable StartPingers StartHTTPPollers)

case $VERSION in
6.0)
	ROOT=/ PORT=${ZABBIX_PORT:-26000} PHP=php8.2
	PACKAGES=(postgresql-15 zabbix-server-pgsql zabbix-frontend-php zabbix-agent
		php8.2-cli php8.2-cgi php-pgsql php-curl)
	TOOLS=(curl mount)
	;;
7.0)
	ROOT=$HOME_DIR/root PORT=${ZABBIX_PORT:-27000} PHP=php8.4 SUITE=trixie
	PACKAGES=(postgresql-17 zabbix-server-pgsql zabbix-frontend-php zabbix-sender
		php8.4-cli php8.4-cgi php-pgsql php-curl tzdata)
	TOOLS=(curl mount mmdebstrap)
	POLLERS+=(StartAgentPollers StartHTTPAgentPollers StartSNMPPollers)
	;;
*) fail "no Zabbix $VERSION here: say 6.0 or 7.0" ;;
esac
# php-cgi is there so that the frontend's dependency on a web server is met without one.
DB_PORT=$PORT SERVER_PORT=$((PORT + 1)) WEB_PORT=$((PORT + 2))

# --- running things --------------------------------------------------------------

need_root() { [ "$(id -u)" = 0 ] || fail "$VERB needs root"; }

# within USER COMMAND…: becomes COMMAND, as USER, in this version's root. It sees
# the frontend's configuration of ours at /etc/zabbix, in a mount namespace that
# ends with the last process in it, so that the machine's own /etc is never written.
within() {
	local user=$1; shift
	exec unshare --mount --propagation private bash -c '
		set -e
		home=$1 root=$2 user=$3; shift 3
		if [ "$root" != / ]; then
			mkdir -p "$root$home"
			mount --rbind /proc "$root/proc"
			mount --rbind /dev "$root/dev"
			mount --bind "$home" "$root$home"
		fi
		mount --bind "$home/etc" "$root/etc/zabbix"
		export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
		if [ "$root" = / ]; then exec setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"; fi
		exec chroot "$root" setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"' \
		within "$HOME_DIR" "$ROOT" "$user" "$@"
}

postgres_bin() { echo "${ROOT%/}"/usr/lib/postgresql/*/bin | awk -v root="${ROOT%/}" '{print substr($NF, length(root) + 1)}'; }

psql_as_owner() { (PGPASSWORD=$PASSWORD PGOPTIONS="-c client_min_messages=warning" within root "$(postgres_bin)/psql" -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$DB_PORT" -U zabbix "$@"); }

# A daemon is known by its pid and the time at which that process began, so that a
# pid which the kernel has given to somebody else is left alone.
birth() { awk '{sub(/^.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null; }

running() {
	local pid born
	read -r pid born 2>/dev/null <"$HOME_DIR/$1.pid" && [ -n "$born" ] && [ "$(birth "$pid")" = "$born" ]
}

# daemon NAME USER COMMAND…: leads a session of its own.
daemon() {
	local name=$1 user=$2 pid; shift 2
	(
		cd /
		setsid --fork bash -c 'echo $$ >"$1"; shift; exec "$@"' daemon "$HOME_DIR/$name.new" \
			bash "$REPOSITORY/e2e/zabbix.sh" "$VERSION" within "$user" "$@"
	) >>"$HOME_DIR/log/$name" 2>&1 </dev/null
	until [ -s "$HOME_DIR/$name.new" ]; do sleep 0.02; done
	pid=$(cat "$HOME_DIR/$name.new")
	rm "$HOME_DIR/$name.new"
	echo "$pid $(birth "$pid")" >"$HOME_DIR/$name.pid"
}

# await SECONDS NAME CONDITION…
await() {
	local tries=$(($1 * 10)) name=$2; shift 2
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		if [ $tries -le 0 ] || ! running "$name"; then
			tail -n 8 "$HOME_DIR/log/$name"* >&2 || true
			fail "$name did not come up; its log is in $HOME_DIR/log"
		fi
		sleep 0.1
	done
}

# halt NAME SIGNAL: to the daemon, and after 20 s to all of its group.
halt() {
	local name=$1 signal=$2 pid tries=200
	if running "$name"; then
		read -r pid _ <"$HOME_DIR/$name.pid"
		# PHP's workers do not follow their parent: tell the group at once.
		if [ "$name" = web ]; then kill "-$signal" -- "-$pid"; else kill "-$signal" "$pid"; fi
		while running "$name" && [ $tries -gt 0 ]; do tries=$((tries - 1)); sleep 0.1; done
		if running "$name"; then note "$name had to be killed"; kill -KILL -- "-$pid"; fi
	fi
	rm -f "$HOME_DIR/$name.pid"
}

# --- install ---------------------------------------------------------------------

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q=2 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >&2; }

# on_host PACKAGE…: installs those that are missing on this machine.
on_host() {
	local package missing=() policy=/usr/sbin/policy-rc.d ours= result=0
	for package in "$@"; do
		[ "$(dpkg-query -f '${db:Status-Status}' -W "$package" 2>/dev/null)" = installed ] || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	note "installing ${missing[*]}"
	# No daemon is to start by itself.
	if [ ! -e $policy ]; then ours=$policy; install -m 755 /dev/stdin $policy <<<$'#!/bin/sh\nexit 101'; fi
	{ apt update && apt install --yes --no-install-recommends "${missing[@]}"; } || result=$?
	[ -z "$ours" ] || rm "$ours"
	[ $result = 0 ] || fail "apt-get could not install them"
}

# Unpacked, but not configured: that takes a quarter of the time, and little of what
# the packages' own scripts would do is needed here; it follows the unpacking.
install_in_root() {
	[ ! -e "$ROOT/.complete" ] || return 0
	purge_files
	mkdir -p "$HOME_DIR"
	local mirror=${ZABBIX_MIRROR:-} settings include
	known() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | sed -n 1p; }
	[ -n "$mirror" ] || mirror=$(known)
	[ -n "$mirror" ] || { apt update; mirror=$(known); }
	[ -n "$mirror" ] || fail "apt knows no Debian here: name one in ZABBIX_MIRROR"
	note "unpacking Debian $SUITE with Zabbix into $ROOT"
	settings=$HOME_DIR/apt.conf
	apt-config dump | grep -E '^Acquire::(http|https|Retries)' >"$settings" || true
	include=$(IFS=,; echo "${PACKAGES[*]}")
	mmdebstrap --quiet --mode=root --variant=extract --format=directory --aptopt="$settings" \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg --include='?essential' --include="$include" \
		"$SUITE" "$ROOT" "$mirror" >&2 || fail "mmdebstrap could not unpack them"
	rm -rf "$settings" "$ROOT"/usr/share/{doc,man,locale}
	(
		cd "$ROOT"
		# Ids that nobody on the host is likely to have.
		for file in passwd group; do cp usr/share/base-passwd/$file.master etc/$file; done
		printf '%s:*:%s:%s::/:/bin/sh\n' postgres 62017 62017 zabbix 62070 62070 >>etc/passwd
		printf '%s:*:%s:\n' postgres 62017 zabbix 62070 >>etc/group
		echo '127.0.0.1 localhost' >etc/hosts
		mkdir -p etc/zabbix
		local extension
		for extension in usr/share/php*-*/*/*.ini; do
			ln -s "/$extension" "etc/php/${PHP#php}/cli/conf.d/$(sed -n 's/^; priority=//p' "$extension")-$(basename "$extension")"
		done
		ldconfig -r .
	)
	touch "$ROOT/.complete"
}

installed() { if [ "$ROOT" = / ]; then [ -x /usr/sbin/zabbix_server ] && [ -d /usr/share/zabbix ]; else [ -e "$ROOT/.complete" ]; fi; }

# --- start -----------------------------------------------------------------------

# The users of the daemons own what they write; all of them must reach it.
directories() {
	mkdir -p "$HOME_DIR"/{etc,log,sessions,socket}
	chmod 755 "$HOME_DIR" "$HOME_DIR"/{etc,log}
	local user
	for user in postgres zabbix www-data; do
		(within $user test -x "$HOME_DIR") || fail "user $user can't enter $HOME_DIR: choose another place with ZABBIX_STATE"
	done
	(within root chown zabbix "$HOME_DIR/socket")
	(within root chown www-data "$HOME_DIR/sessions")
}

start_database() {
	! running database || return 0
	local bin; bin=$(postgres_bin)
	if [ ! -e "$HOME_DIR/database/PG_VERSION" ]; then
		rm -rf "$HOME_DIR/database"
		(within root install -d -o postgres -g postgres -m 700 "$HOME_DIR/database")
		(cd / && within postgres bash -c '"$1"/initdb -D "$2" -U zabbix --pwfile=<(echo "$3") -A scram-sha-256 -E UTF8 --locale=C.UTF-8 --no-sync' \
			_ "$bin" "$HOME_DIR/database" "$PASSWORD") >"$HOME_DIR/log/initdb" 2>&1 || fail "initdb failed: see $HOME_DIR/log/initdb"
	fi
	rm -f "$HOME_DIR/database/postmaster.pid"
	daemon database postgres "$bin/postgres" -D "$HOME_DIR/database" -p "$DB_PORT" -c listen_addresses=127.0.0.1 \
		-c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
		-c shared_buffers=128MB -c max_connections=100 -c timezone=UTC
	await 30 database psql_as_owner -d postgres -c 'select 1'
}

exists() { [ -n "$(psql_as_owner -d postgres -c "select 1 from pg_database where datname = '$1'")" ]; }

# The schema is loaded once, into a database that later ones are copied from.
fill_database() {
	if ! exists pristine; then
		note "loading the schema of Zabbix $VERSION"
		psql_as_owner -d postgres -c 'drop database if exists filling' -c 'create database filling'
		local part
		for part in schema images data; do
			zcat "${ROOT%/}/usr/share/zabbix-server-pgsql/$part.sql.gz" | psql_as_owner -d filling -o /dev/null
		done
		# Its agent doesn't run here, and would be a problem of its own.
		psql_as_owner -d filling -c "update hosts set status = 1 where host = 'Zabbix server'"
		psql_as_owner -d postgres -c 'alter database filling rename to pristine'
	fi
	exists zabbix || psql_as_owner -d postgres -c 'create database zabbix template pristine'
}

start_server() {
	! running server || return 0
	{
		printf '%s\n' ListenIP=127.0.0.1 "ListenPort=$SERVER_PORT" LogType=console \
			"PidFile=$HOME_DIR/socket/server.pid" "SocketDir=$HOME_DIR/socket" \
			DBHost=127.0.0.1 "DBPort=$DB_PORT" DBName=zabbix DBUser=zabbix "DBPassword=$PASSWORD" \
			CacheUpdateFrequency=1 StartDBSyncers=2 StartTrappers=3 StartLLDProcessors=1 StartDiscoverers=0 \
			HousekeepingFrequency=0 Timeout=10 StatsAllowedIP=127.0.0.1
		printf '%s=0\n' "${POLLERS[@]}"
		echo "${ZABBIX_SERVER_CONF:-}"
	} >"$HOME_DIR/etc/zabbix_server.conf"
	daemon server zabbix /usr/sbin/zabbix_server -f -c /etc/zabbix/zabbix_server.conf
	await 60 server bash -c "exec 3<>/dev/tcp/127.0.0.1/$SERVER_PORT"
}

answers() {
	curl -fsS -m 5 -H 'Content-Type: application/json-rpc' -d '{"jsonrpc":"2.0","method":"apiinfo.version","params":[],"id":1}' \
		"http://127.0.0.1:$WEB_PORT/api_jsonrpc.php" | grep -q '"result"'
}

start_frontend() {
	! running web || return 0
	cat >"$HOME_DIR/etc/zabbix.conf.php" <<-END
		<?php
		\$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '127.0.0.1', 'PORT' => '$DB_PORT', 'DATABASE' => 'zabbix',
			'USER' => 'zabbix', 'PASSWORD' => '$PASSWORD', 'SCHEMA' => '', 'ENCRYPTION' => false, 'KEY_FILE' => '',
			'CERT_FILE' => '', 'CA_FILE' => '', 'VERIFY_HOST' => false, 'CIPHER_LIST' => '', 'VAULT' => '',
			'VAULT_URL' => '', 'VAULT_DB_PATH' => '', 'VAULT_TOKEN' => '', 'DOUBLE_IEEE754' => true];
		\$ZBX_SERVER = '127.0.0.1';
		\$ZBX_SERVER_PORT = '$SERVER_PORT';
		\$ZBX_SERVER_NAME = 'e2e $VERSION';
		\$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
	END
	PHP_CLI_SERVER_WORKERS=3 daemon web www-data "$PHP" -d date.timezone=UTC -d post_max_size=32M -d max_execution_time=300 \
		-d max_input_time=300 -d memory_limit=512M -d display_errors=0 -d session.save_path="$HOME_DIR/sessions" \
		-S "127.0.0.1:$WEB_PORT" -t /usr/share/zabbix
	await 30 web answers
}

start() {
	need_root
	installed || fail "Zabbix $VERSION is not installed: run $0 $VERSION install"
	directories
	start_database
	fill_database
	start_server
	start_frontend
}

stop() { halt web TERM; halt server TERM; halt database INT; }

purge_files() {
	! findmnt -rno TARGET | grep -q "^$HOME_DIR/" || fail "something is mounted below $HOME_DIR: nothing is deleted"
	rm -rf --one-file-system "$HOME_DIR"
}

case $VERB in
install)
	need_root
	on_host "${TOOLS[@]}"
	if [ "$ROOT" = / ]; then on_host "${PACKAGES[@]}"; else install_in_root; fi
	;;
start) start ;;
stop) need_root; stop ;;
reset)
	need_root
	installed || fail "Zabbix $VERSION is not installed: run $0 $VERSION install"
	halt server TERM
	directories
	start_database
	psql_as_owner -d postgres -c 'drop database if exists zabbix with (force)'
	start
	;;
status)
	result=0
	for name in database server web; do
		if running $name; then echo "$name runs"; else echo "$name is down"; result=1; fi
	done
	exit $result
	;;
env)
	cat <<-END
		ZABBIX_VERSION=$VERSION
		ZABBIX_URL=http://127.0.0.1:$WEB_PORT
		ZABBIX_TRAPPER=127.0.0.1:$SERVER_PORT
		ZABBIX_USER=Admin
		ZABBIX_PASSWORD=zabbix
	END
	;;
send) need_root; within root zabbix_sender -z 127.0.0.1 -p "$SERVER_PORT" "$@" ;;
js) need_root; within root zabbix_js "$@" ;;
sql) need_root; psql_as_owner -d zabbix "$@" ;;
log) cat "$HOME_DIR/log/server" ;;
purge) need_root; stop; purge_files ;;
within) within "$@" ;; # how daemon begins one
*) usage ;;
esac
