# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of qmictl(1). The words at the end are those of the schema; no process runs for them.

# The words up to the cursor, as the shell will see them: readline parts them at = and : too.
_qmictl_split() {
    local rest=${COMP_LINE:0:COMP_POINT} word i
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if [[ $i == 0 || $rest == [[:space:]]* ]]; then
            rest=${rest#"${rest%%[![:space:]]*}"}
            words+=("")
        fi
        word=${COMP_WORDS[i]:0:${#rest}}
        words[-1]+=$word
        rest=${rest:${#word}}
    done
}

# Those of the words that continue the one at the cursor; dashes and underscores are the same to qmictl. What stands
# before the last = or : is not replaced, hence not returned.
_qmictl_reply() {
    local word behind=${cur##*["$COMP_WORDBREAKS"]}
    for word; do
        [[ ${word//-/_} == "${cur//-/_}"* ]] && COMPREPLY+=("${word:${#cur}-${#behind}}")
    done
    if [[ ${COMPREPLY-} == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

# The first words of what a command lists. $2: what of the word is before them.
_qmictl_names() {
    local name rest
    [[ $far ]] && return
    while IFS= read -r name; do
        [[ $name == ' '* ]] || _qmictl_reply "${2-}${name%% *}"
    done < <(command qmictl --no-legend --timeout=2 "$1" 2>/dev/null)
}

# What may stand behind an option. $2: what of the word is before it.
_qmictl_option_value() {
    case $1 in
    -d | --device) _qmictl_names list "${2-}" ;;
    -H | --host) _qmictl_reply $(compgen -A hostname -P "${2-}") ;;
    --json) _qmictl_reply "${2-}"{short,pretty,off} ;;
    --authentication) _qmictl_reply "${2-}"{pap,chap,none} ;;
    --link-layer) _qmictl_reply "${2-}"{auto,802.3,raw-ip,qmap,off} ;;
    --password-file)
        mapfile -t COMPREPLY < <(compgen -f -- "${cur#"${2-}"}")
        compopt -o filenames 2>/dev/null
        ;;
    -w | -r)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null
        ;;
    esac
}

# All that a path stands for: elements that the line has, and the next one.
_qmictl_expand() {
    local before=${1%%#*} n=0
    if [[ $1 != *'#'* ]]; then
        paths+=("$1")
        return
    fi
    while _qmictl_expand "$before$n${1#*#}" && [[ $given == *" $before$n"[.\ ]* ]]; do
        n=$((n + 1))
    done
}

_qmictl_field() {
    local entry path paths kind key=${cur%%=*} value before symbol
    _qmictl_fields "$1 $2" || return
    for entry in $REPLY; do
        path=${entry%%=*}
        path=${path#!}
        kind=${entry#*=}
        if [[ $cur != *=* ]]; then
            paths=()
            _qmictl_expand "$path"
            for path in "${paths[@]}"; do
                [[ $given == *" $path "* ]] || _qmictl_reply "$path="
            done
        elif [[ ${key//-/_} == ${path//'#'/+([0-9])} ]]; then
            case $kind in
            e*)
                _qmictl_symbols "${kind#e}"
                for symbol in $REPLY; do
                    _qmictl_reply "$key=$symbol"
                done
                ;;
            f*)
                value=${cur#*=}
                before=${value%"${value##*,}"}
                _qmictl_symbols "${kind#f}"
                for symbol in $REPLY; do
                    [[ ,${before//-/_} == *",$symbol,"* ]] || _qmictl_reply "$key=$before$symbol"
                done
                compopt -o nospace 2>/dev/null
                ;;
            b) _qmictl_reply "$key="{yes,no} ;;
            y) _qmictl_reply "$key=yes" ;;
            p) _qmictl_reply "$key=-" ;; # from standard input: on the command line others could read it
            esac
            return
        fi
    done
}

_qmictl() {
    local words cur word letters option= ended= far= arguments=() given=' ' REPLY
    COMPREPLY=()
    _qmictl_split
    cur=${words[-1]}
    unset 'words[-1]'

    for word in "${words[@]:1}"; do
        if [[ $option ]]; then
            option=
            continue
        fi
        case $ended$word in
        --) ended=ended ;;
        --host | --host=* | --machine | --machine=*) far=far ;;&
        --device | --host | --machine | --timeout | --json | --apn | --user | --password-file | --authentication | \
            --profile | --mux | --link-layer) option=$word ;;
        --*) ;;
        -?*)
            letters=${word#-}
            while [[ $letters == [jh]* ]]; do
                letters=${letters#?}
            done
            [[ $letters == [HM]* ]] && far=far
            [[ $letters == [dHMwr] ]] && option=-$letters
            ;;
        *)
            arguments+=("$word")
            word=${word%%=*}
            [[ ${#arguments[@]} -gt 3 ]] && given+="${word//-/_} "
            ;;
        esac
    done

    if [[ $option ]]; then
        _qmictl_option_value "$option"
        return
    elif [[ ! $ended && $cur == --*=* ]]; then
        _qmictl_option_value "${cur%%=*}" "${cur%%=*}="
        return
    elif [[ ! $ended && $cur == -* ]]; then
        _qmictl_reply -d -H -M -j -w -r -h --device= --host= --machine= --timeout= --json= --no-legend --no-ask-password \
            --force --expand --unmasked --all --apn= --ipv4 --ipv6 --user= --password-file= --authentication= --profile= \
            --modify --mux= --link-layer= --configure --wait --foreground --help --version
        return
    fi

    local service=${arguments[1]-} message=${arguments[2]-}
    service=${service,,}
    message=${message//_/-}
    case ${arguments-}:${#arguments[@]} in
    :0) _qmictl_reply list status call raw monitor trace describe clients link connect disconnect sessions ;;
    link:1) _qmictl_reply auto 802.3 raw-ip qmap off ;;
    call:1 | raw:1) _qmictl_services call && _qmictl_reply $REPLY ;;
    call:2) _qmictl_messages "$service" && _qmictl_reply $REPLY ;;
    call:*) _qmictl_field "$service" "$message" ;;
    describe:1 | trace:1) _qmictl_services describe && _qmictl_reply $REPLY ;;
    describe:2 | trace:2)
        _qmictl_messages "$service" && _qmictl_reply $REPLY
        _qmictl_indications "$service" && _qmictl_reply $REPLY
        ;;
    disconnect:1 | sessions:1) _qmictl_names sessions ;;
    monitor:*)
        _qmictl_services call
        for word in $REPLY; do
            [[ " ${arguments[*]:1} " == *" $word "* ]] || _qmictl_reply "$word"
        done
        ;;
    esac
}

complete -F _qmictl qmictl

# @WORDS@
