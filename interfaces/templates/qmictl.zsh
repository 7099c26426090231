#compdef qmictl
# SPDX-License-Identifier: LGPL-2.1-or-later
# zsh completion of qmictl(1). The words at the end are those of the schema; no process runs for them.

_qmictl_devices() {
    local -a devices
    local row
    if (( ${+opt_args[-H]} + ${+opt_args[--host]} + ${+opt_args[-M]} + ${+opt_args[--machine]} )); then
        _message 'device'
        return
    fi
    for row in ${(f)"$(_call_program devices qmictl --no-legend --timeout=2 list 2>/dev/null)"}; do
        devices+=("${row%% *}:${${row#* }## #}")
    done
    _describe -t devices device devices
}

_qmictl_sessions() {
    local -a sessions
    local row
    (( ${+opt_args[-H]} + ${+opt_args[--host]} + ${+opt_args[-M]} + ${+opt_args[--machine]} )) && return
    for row in ${(f)"$(_call_program sessions qmictl --no-legend --timeout=2 sessions 2>/dev/null)"}; do
        [[ $row == ' '* ]] || sessions+=("${row%% *}:${${row#* }## #}")
    done
    _describe -t sessions session sessions
}

# All that a path stands for: elements that the line has, and the next one.
_qmictl_expand() {
    local before=${1%%\#*} n=0
    if [[ $1 != *\#* ]]; then
        paths+=($1)
        return
    fi
    while _qmictl_expand $before$n${1#*\#} && [[ -n ${(M)given:#$before$n(.*|)} ]]; do
        (( n++ ))
    done
}

_qmictl_kind() {
    case $1 in
    e*) REPLY='one symbol' ;;
    f*) REPLY='symbols, with commas between' ;;
    b) REPLY='yes or no' ;;
    y) REPLY='yes' ;;
    p) REPLY='a secret: asked for, or - for standard input' ;;
    x) REPLY='bytes in hexadecimal' ;;
    n) REPLY='a number' ;;
    n*) REPLY="a number, ${1#n}" ;;
    t) REPLY='text' ;;
    *) REPLY='a list, with commas between' ;;
    esac
}

# The fields of a request, or the values of one. Dashes and underscores are the same to qmictl.
_qmictl_field() {
    local entry name kind key=${${PREFIX%%=*}//-/_} REPLY
    local -a given paths keys reply fields=()
    given=(${${line[4,-2]%%=*}//-/_})
    _qmictl_fields "${(L)line[2]} ${line[3]//_/-}" && fields=($reply)
    for entry in $fields; do
        name=${${entry%%=*}#!}
        kind=${entry#*=}
        if [[ $PREFIX != *=* ]]; then
            _qmictl_kind $kind
            [[ $entry == !* ]] && REPLY+=', mandatory'
            paths=()
            _qmictl_expand $name
            for name in ${paths:|given}; do
                keys+=("$name:$REPLY")
            done
        elif [[ $key == ${~name//\#/<->} ]]; then
            compset -P '*='
            _qmictl_value $kind
            return
        fi
    done
    (( $#keys )) && _describe -t fields field keys -S = -M 'm:-=_'
}

_qmictl_value() {
    local -a reply used
    case $1 in
    e*)
        _qmictl_symbols ${1#e} && compadd -M 'm:-=_' -a reply
        ;;
    f*)
        used=(${(s:,:)${${PREFIX%,*}//-/_}})
        [[ $PREFIX == *,* ]] || used=()
        compset -P '*,'
        _qmictl_symbols ${1#f} && reply=(${reply:|used}) && compadd -M 'm:-=_' -q -S , -a reply
        ;;
    b) compadd yes no ;;
    y) compadd yes ;;
    p) compadd -- - ;; # from standard input: on the command line others could read it
    *) _qmictl_kind $1 && _message $REPLY ;;
    esac
}

_qmictl_command() {
    local -a commands=(
        'list:the devices'
        'status:one device\: services, network, signal'
        'call:send a message and show the answer'
        'raw:send bytes and show the answer'\''s bytes'
        'monitor:show indications as they come'
        'trace:show all frames, decoded, as they pass'
        'describe:what there is to call, without a modem'
        'clients:who holds which client id'
        'link:how packets are framed, and what is wrong'
        'connect:begin a data session'
        'disconnect:end a data session'
        'sessions:the data sessions'
    )
    _describe -t commands command commands
}

# In $line are the words that are no options, the one at the cursor last.
_qmictl_argument() {
    local -a reply
    local service
    case $line[1]:$#line in
    (call|raw):2)
        _qmictl_services call && _describe -t services service reply
        ;;
    (describe|trace):2)
        _qmictl_services describe && _describe -t services service reply
        ;;
    (disconnect|sessions):2) _qmictl_sessions ;;
    monitor:*)
        _qmictl_services call
        for service in ${line[2,-2]}; do
            reply=(${reply:#$service:*})
        done
        _describe -t services service reply
        ;;
    link:2) compadd -- auto 802.3 raw-ip qmap off ;;
    (call|describe|trace):3)
        _qmictl_messages ${(L)line[2]} && _describe -t messages message reply -M 'm:_=-'
        if [[ $line[1] != call ]]; then
            _qmictl_indications ${(L)line[2]} && _describe -t indications indication reply -M 'm:_=-'
        fi
        ;;
    call:*) _qmictl_field ;;
    esac
}

_qmictl() {
    local curcontext=$curcontext
    local -a line
    local -A opt_args
    words=("${(@)words[1,CURRENT]}") # what stands behind the cursor does not matter
    _arguments -s -S -C \
        '(-d --device)'{-d+,--device=}'[a name, /dev/cdc-wdm0, wwan0, an ID_PATH or an IMEI]:device:_qmictl_devices' \
        '(-H --host -M --machine)'{-H+,--host=}'[through ssh, on another machine]:host:_hosts' \
        '(-H --host -M --machine)'{-M+,--machine=}'[in a container]:machine: ' \
        '--timeout=[wait so long at most for each answer]:seconds: ' \
        '(-j --json)--json=[output for programs]:mode:(short pretty off)' \
        '(-j --json)-j[the same as --json=short]' \
        '--no-legend[no headings above tables]' \
        '--no-ask-password[never ask for a password]' \
        '-w+[write the frames, as pcapng]:file:_files' \
        '-r+[read frames from such a file]:file:_files' \
        '--expand[each field on a line]' \
        '--force[also a PIN that was rejected, or the last try]' \
        '--unmasked[with secrets and identities]' \
        '--all[all of them]' \
        '--apn=[where to]:apn: ' \
        '--ipv4[this family only]' \
        '--ipv6[this family only]' \
        '--user=[who logs in there]:user: ' \
        '--password-file=[where the password is]:file:_files' \
        '--authentication=[how]:how:(pap chap pap,chap none)' \
        '--profile=[use this profile of the modem]:number: ' \
        '--modify[write it all into the profile, or a new one]' \
        '--mux=[use this mux id]:number: ' \
        '--link-layer=[framing]:mode:(auto 802.3 raw-ip qmap off)' \
        '--configure[set addresses, routes, MTU and DNS here]' \
        '--wait=-[wait for the device and its network]::seconds: ' \
        '--foreground[stay, and connect again whenever it ends]' \
        '(- *)'{-h,--help}'[show a summary]' \
        '(- *)--version[show the version]' \
        '1:command:_qmictl_command' \
        '*:argument:_qmictl_argument'
}

# @WORDS@

_qmictl "$@"
