# rest.sh DIR STREAM FROM
# Prints what the journal has from a byte on, and no more than it had at first:
# what a turn has left running may write for ever.
size=$(wc -c <"$1/$2") || exit 1
if [ "$size" -lt "$3" ]; then
	echo "$1/$2 has $size bytes only" >&2
	exit 1
fi
exec dd if="$1/$2" bs=64k iflag=skip_bytes,count_bytes skip="$3" count=$((size - $3)) status=none
