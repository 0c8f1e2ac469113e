#compdef imgfetch
# Completion of imgfetch in zsh.

_imgfetch() {
    local line program=${~words[1]}
    local -a answer fields described parts
    answer=("${(@f)$(_IMGFETCH_COMPLETE=zsh "$program" "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    for line in $answer; do
        fields=("${(@ps:\t:)line}")
        case $fields[1] in
            plain) described+=("${fields[2]//:/\\:}${fields[3]:+:$fields[3]}") ;;
            part) parts+=("$fields[2]") ;;
            file | dir)
                compset -p ${#fields[2]}
                if [[ $fields[1] == dir ]]; then _files -/; else _files; fi
                ;;
        esac
    done
    (($#parts)) && compadd -S '' -a parts
    (($#described)) && _describe -V value described
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _imgfetch "$@"
else
    compdef _imgfetch imgfetch
fi
