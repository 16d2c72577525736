# follow.sh DIR STREAM FROM
# Prints the journal from a byte on as it grows, until the runner is gone.
exec 9<"$1/alive"
size=$(wc -c <"$1/$2") || exit 1
if [ "$size" -lt "$3" ]; then
	echo "$1/$2 has $size bytes only" >&2
	exit 1
fi
# Whatever ends the tail, a reader that is gone too, ends the wait for the lock.
# A process that has just been forked could take another signal for the shell's.
trap 'kill -s KILL $tail $! 2>/dev/null' EXIT
trap 'exit 1' HUP INT TERM PIPE
# The pause counts where tail cannot watch the file: on an overlay, say.
"$(command -v gnutail || echo tail)" -c "+$(($3 + 1))" -s 0.1 -f -- "$1/$2" 9<&- &
tail=$!
flock -s "$1/alive" sh -c "kill -s KILL $tail" >/dev/null 2>&1 9<&- &
wait $tail 2>/dev/null
flock -n -s 9
