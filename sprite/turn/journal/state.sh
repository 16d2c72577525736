# state.sh DIR
# Prints missing, running, lost, or what the runner wrote last: exit N, timeout.
if [ ! -f "$1/alive" ]; then
	echo missing
	exit
fi
exec 9<"$1/alive"
flock -n -s -E 75 9
case $? in
0) ;;
75)
	echo running
	exit
	;;
*) exit 1 ;;
esac
if [ ! -f "$1/exit" ]; then
	echo lost
	exit
fi
set -f
end=$(head -c 16 "$1/exit") || exit 1
set -- $end
echo "$*"
