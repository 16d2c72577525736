# launch.sh DIR RUN SOCKET ENV LIMIT COMMAND...
# Starts the turn unless it was started before. Whoever gives the turn its file
# alive has started it; the file is locked from its first moment on, by an open
# file that the runner inherits. So there is no moment at which a turn is started
# and its lock free but when it has ended or its runner is gone.
dir=$1 run=$2
mask=$(umask)
umask 077
fail() {
	echo "$1" >&2
	exit 1
}
again() {
	rm -f -- "$dir/prompt"
	exit 0
}
[ ! -e "$dir/alive" ] || again
chmod 700 -- "$dir" || exit 1
if ! { command exec 3<"$dir/prompt"; } 2>/dev/null; then
	[ ! -e "$dir/alive" ] || again
	fail "cannot open $dir/prompt"
fi
exec 4>>"$dir/stdout" 5>>"$dir/stderr"
claim=$(mktemp "$dir/alive.XXXXXX") || exit 1
exec 9>"$claim"
flock -n 9 || exit 1
ln -- "$claim" "$dir/alive" 2>/dev/null
claimed=$?
rm -f -- "$claim"
if [ $claimed != 0 ]; then
	[ ! -e "$dir/alive" ] || again
	fail "cannot make $dir/alive"
fi
rm -f -- "$dir/prompt" || exit 1

turns=${dir%/*} number=${dir##*/}
for earlier in "$turns"/*; do
	case ${earlier##*/} in *[!0-9]*) continue ;; esac
	[ "${earlier##*/}" -lt "$number" ] 2>/dev/null && rm -rf -- "$earlier"
done

# The end's place on the disk is taken now, for a turn that fills the disk.
printf '%-8s\n' '' >"$dir/ending" || exit 1
umask "$mask"
shift 2
exec setsid -f sh -c "$run" aod "$dir" "$@"
