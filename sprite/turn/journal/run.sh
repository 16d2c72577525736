# run.sh DIR SOCKET ENV LIMIT COMMAND...
# Is the turn's runner: has the prompt open as 3, the journals as 4 and 5, and the
# lock as 9, which nothing that it starts may keep.
exec </dev/null >/dev/null 2>&1
dir=$1 socket=$2 env=$3 limit=$4
shift 4
(
	umask 077
	echo $$ >"$dir/pid.new" && mv -f -- "$dir/pid.new" "$dir/pid"
) 9>&-

# The Task keeps a Sprite awake under a silent turn. It is renewed every minute
# until the lock is free, however the runner ends, and removed then.
task() {
	curl -q -s -m 10 --noproxy '*' --unix-socket "$socket" -H 'Content-Type: application/json' "$@" "http://sprite/v1/tasks/aod-turn-${dir##*/}"
}
if [ -S "$socket" ] && command -v curl; then
	(
		while
			task -X PUT -d '{"expire":"5m"}'
			flock -s -w 60 9
			[ $? = 1 ]
		do :; done
		task -X DELETE
	) 3<&- 4>&- 5>&- 9<"$dir/alive" &
fi

# The login shell's own files neither read the prompt nor write to the journals.
# timeout leads a group of its own, whose number is its first word. Where it is not
# GNU's, that has a name of its own, and is the one that keeps to what it says.
read -r began _ </proc/uptime
group=$(
	exec 9>&-
	exec sh -c 'echo $$; exec "$(command -v gnutimeout || echo timeout)" -k 10 "$@" >/dev/null' aod "$limit" bash -lc '
		exec <&3 >&4 2>&5 3<&- 4>&- 5>&-
		set -a; . "$1"; set +a; shift; exec "$@"' aod "$env" "$@"
)
code=$?
read -r ended _ </proc/uptime

# A command may exit with the codes of timeout itself: the clock tells.
end="exit $code"
passed=$(((${ended%.*} - ${began%.*}) * 100 + 1${ended#*.} - 1${began#*.}))
case $code in 124 | 137)
	if [ "$limit" -gt 0 ] && [ $passed -ge $((limit * 100)) ]; then
		end=timeout
		kill -s KILL -- "-$group"
	fi
	;;
esac
printf '%-8s\n' "$end" 1<>"$dir/ending" && mv -f -- "$dir/ending" "$dir/exit"
