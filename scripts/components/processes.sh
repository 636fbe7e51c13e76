# Functions to source, for scripts that start processes on 127.0.0.1 and wait for them. What is started for a
# folder, $dir, has its log and its pid there, NAME.log and NAME.pid, and its folder for temporary files in $dir/tmp,
# which is how down recognizes it.

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free PORT…: ends the script when one of them is taken. Those not given may be empty.
free() {
	local port
	for port in "$@"; do
		if [ -n "$port" ] && listens "$port"; then
			echo "${0##*/}: port $port is taken; name another one" >&2
			exit 1
		fi
	done
}

# free_ports N prints N ports that nobody listens at, on one line. They lie below those that the system hands
# out by itself.
free_ports() {
	local -a ports=()
	local port
	while [ ${#ports[@]} -lt "$1" ]; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		[[ " ${ports[*]} " == *" $port "* ]] || listens "$port" || ports+=("$port")
	done
	echo "${ports[*]}"
}

# answers PORT PATH [TEXT]: whether an HTTP server there says 200, and the text where one is given.
answers() {
	local status
	exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
	printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
	read -r -t 5 _ status _ <&3 || true
	[ "${status:-}" = 200 ] && { [ $# = 2 ] || timeout 5 cat <&3 | grep -qF "$3"; }
}

# start NAME COMMAND…: starts the command, its output in the log.
start() {
	"${@:2}" </dev/null >"$dir/$1.log" 2>&1 &
	echo $! >"$dir/$1.pid"
}

# wait_for NAME CONDITION…: until the condition holds; fails when the process has ended or after two minutes.
wait_for() {
	local name=$1 deadline=$((SECONDS + 120))
	shift
	until ("$@") 2>/dev/null; do
		if ! kill -0 "$(cat "$dir/$name.pid")" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
			echo "${0##*/}: $name did not start; the end of its log:" >&2
			tail -n 15 "$dir/$name.log" >&2
			return 1
		fi
		sleep 0.1
	done
}
