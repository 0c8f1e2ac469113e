# Completion of imgfetch in bash 4.4 or newer.

_imgfetch() {
    local program=${1/#\~\//$HOME/} kind value
    COMPREPLY=()
    while IFS=$'\t' read -r kind value _; do
        case $kind in
            plain) COMPREPLY+=("$value") ;;
            part)
                COMPREPLY+=("$value")
                compopt -o nospace
                ;;
            file) compopt -o default ;;
            dir) compopt -o dirnames -o filenames ;;
        esac
    done < <(_IMGFETCH_COMPLETE=bash "$program" "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
}

complete -o nosort -F _imgfetch imgfetch
