# ends.sh DIR
# Prints the beginning and the end of the turn's output; of a short one, all of it twice.
head -c 65536 "$1/stdout" && echo && tail -c 2097152 "$1/stdout"
