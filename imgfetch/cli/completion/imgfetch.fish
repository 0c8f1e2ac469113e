# Completion of imgfetch in fish 3.1 or newer.

function __imgfetch_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l program $words[1]
    set -e words[1]
    for line in (_IMGFETCH_COMPLETE=fish $program $words "$current" 2>/dev/null)
        set -l fields (string split \t -- $line)
        switch $fields[1]
            case plain part
                printf '%s\t%s\n' $fields[2] $fields[3]
            case file
                set -l path (string sub --start (math 1 + (string length -- "$fields[2]")) -- $current)
                for found in (__fish_complete_path "$path")
                    echo "$fields[2]$found"
                end
            case dir
                set -l path (string sub --start (math 1 + (string length -- "$fields[2]")) -- $current)
                for found in (__fish_complete_directories "$path")
                    echo "$fields[2]$found"
                end
        end
    end
end

complete --command imgfetch --no-files --arguments '(__imgfetch_complete)'
