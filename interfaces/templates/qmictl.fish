# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion of qmictl(1). The words at the end are those of the schema; no process runs for them.

# The words before the cursor, without options.
function __qmictl_words
    set -l skip
    set -l ended
    set -l words (commandline -opc)
    for word in $words[2..]
        if test -n "$skip"
            set skip
            continue
        end
        switch "$ended$word"
            case --
                set ended ended
            case --device --host --machine --timeout --json --apn --user --password-file --authentication --profile --mux \
                    --link-layer
                set skip skip
            case '--*'
            case '-*'
                string match -qr '^-[jh]*[dHMwr]$' -- $word; and set skip skip
            case '*'
                echo -- $word
        end
    end
end

function __qmictl_devices
    string match -qr -- '^(-[jh]*[HM]|--host|--machine)' (commandline -opc); and return
    command qmictl --no-legend --timeout=2 list 2>/dev/null | string replace -r ' +' \t
end

function __qmictl_sessions
    string match -qr -- '^(-[jh]*[HM]|--host|--machine)' (commandline -opc); and return
    command qmictl --no-legend --timeout=2 sessions 2>/dev/null | string match -rv '^ ' | string replace -r ' +' \t
end

# All that a path stands for: elements that the line has ($argv[2..]), and the next one.
function __qmictl_expand
    set -l parts (string split -m 1 '#' -- $argv[1])
    if test (count $parts) -eq 1
        echo $argv[1]
        return
    end
    set -l n 0
    while true
        __qmictl_expand $parts[1]$n$parts[2] $argv[2..]
        string match -qr -- '^'(string replace -a . '\.' $parts[1]$n)'(\.|$)' $argv[2..]; or break
        set n (math $n + 1)
    end
end

function __qmictl_kind
    switch $argv[1]
        case 'e*'
            echo one symbol
        case 'f*'
            echo symbols, with commas between
        case b
            echo yes or no
        case y
            echo yes
        case p
            echo a secret: asked for, or - for standard input
        case x
            echo bytes in hexadecimal
        case n
            echo a number
        case 'n*'
            echo a number, (string sub -s 2 -- $argv[1])
        case t
            echo text
        case '*'
            echo a list, with commas between
    end
end

# The values of a field: its key as it was typed, its kind, and what was typed of the value.
function __qmictl_values
    switch $argv[2]
        case 'e*'
            printf "$argv[1]=%s\n" (__qmictl_symbols (string sub -s 2 -- $argv[2]))
        case 'f*'
            set -l before (string match -r -- '^.*,' $argv[3])
            set -l used (string split , -- $before | string replace -a - _)
            for symbol in (__qmictl_symbols (string sub -s 2 -- $argv[2]))
                contains -- $symbol $used; or echo "$argv[1]=$before$symbol"
            end
        case b
            printf "$argv[1]=%s\n" yes no
        case y
            echo "$argv[1]=yes"
        case p
            echo "$argv[1]=-"
    end
end

# The fields of a request, or the values of one. Dashes and underscores are the same to qmictl.
function __qmictl_field
    set -l current (commandline -ct)
    set -l typed (string match -r '^[^=]*(?==)' -- $current)
    set -l key (string replace -a - _ -- $typed)
    set -l given (string replace -r '=.*' '' -- $argv[4..] | string replace -a - _)
    for entry in (__qmictl_fields (string lower -- $argv[2])' '(string replace -a _ - -- $argv[3]))
        set -l parts (string split -m 1 = -- $entry)
        set -l path (string trim -l -c '!' -- $parts[1])
        if test -n "$key"
            if string match -qr -- '^'(string replace -a . '\.' $path | string replace -a '#' '\d+')'$' $key
                __qmictl_values $typed $parts[2] (string replace -r '^[^=]*=' '' -- $current)
            end
            continue
        end
        set -l about (__qmictl_kind $parts[2])
        string match -q '!*' -- $entry; and set about "$about, mandatory"
        for path in (__qmictl_expand $path $given)
            contains -- $path $given; or printf '%s=\t%s\n' $path $about
        end
    end
end

function __qmictl_arguments
    set -l words (__qmictl_words)
    switch "$words[1]":(count $words)
        case ':0'
            printf '%s\t%s\n' list 'The devices' \
                status 'One device: services, network, signal' \
                call 'Send a message and show the answer' \
                raw "Send bytes and show the answer's bytes" \
                monitor 'Show indications as they come' \
                trace 'Show all frames, decoded, as they pass' \
                describe 'What there is to call, without a modem' \
                clients 'Who holds which client id' \
                link 'How packets are framed, and what is wrong' \
                connect 'Begin a data session' \
                disconnect 'End one' \
                sessions 'The data sessions, or one of them'
        case link:1
            printf '%s\n' auto 802.3 raw-ip qmap off
        case call:1 raw:1
            __qmictl_services call
        case describe:1 trace:1
            __qmictl_services describe
        case 'monitor:*'
            for row in (__qmictl_services call)
                contains -- (string split -f 1 \t -- $row) $words[2..]; or echo $row
            end
        case call:2
            __qmictl_messages (string lower -- $words[2])
        case describe:2 trace:2
            __qmictl_messages (string lower -- $words[2])
            __qmictl_indications (string lower -- $words[2])
        case disconnect:1 sessions:1
            __qmictl_sessions
        case 'call:*'
            __qmictl_field $words
    end
end

complete -c qmictl -f -a '(__qmictl_arguments)'
complete -c qmictl -s d -l device -x -a '(__qmictl_devices)' -d 'A name, /dev/cdc-wdm0, wwan0, an ID_PATH or an IMEI'
complete -c qmictl -s H -l host -x -a '(__fish_print_hostnames)' -d 'Through ssh, on another machine'
complete -c qmictl -s M -l machine -x -d 'In a container'
complete -c qmictl -l timeout -x -d 'Wait so many seconds at most for each answer'
complete -c qmictl -l json -x -a 'short pretty off' -d 'Output for programs'
complete -c qmictl -s j -d 'The same as --json=short'
complete -c qmictl -l no-legend -d 'No headings above tables'
complete -c qmictl -l no-ask-password -d 'Never ask for a password'
complete -c qmictl -s w -r -F -d 'trace: write the frames, as pcapng'
complete -c qmictl -s r -r -F -d 'trace: read frames from such a file'
complete -c qmictl -l expand -d 'trace: each field on a line'
complete -c qmictl -l force -d 'call, raw: also a PIN that was rejected, or the last try'
complete -c qmictl -l unmasked -d 'trace: with secrets and identities'
complete -c qmictl -l all -d 'disconnect: all of them'
complete -c qmictl -l apn -x -d 'connect: where to'
complete -c qmictl -l ipv4 -d 'connect: this family only'
complete -c qmictl -l ipv6 -d 'connect: this family only'
complete -c qmictl -l user -x -d 'connect: who logs in there'
complete -c qmictl -l password-file -r -F -d 'connect: where the password is'
complete -c qmictl -l authentication -x -a 'pap chap pap,chap none' -d 'connect: how to log in'
complete -c qmictl -l profile -x -d 'connect: use this profile of the modem'
complete -c qmictl -l modify -d 'connect: write it all into the profile, or a new one'
complete -c qmictl -l mux -x -d 'connect: use this mux id'
complete -c qmictl -l link-layer -x -a 'auto 802.3 raw-ip qmap off' -d 'connect: framing'
complete -c qmictl -l configure -d 'connect: set addresses, routes, MTU and DNS here'
complete -c qmictl -l wait -d 'connect: wait for the device and its network'
complete -c qmictl -l foreground -d 'connect: stay, and connect again whenever it ends'
complete -c qmictl -s h -l help -d 'Show a summary'
complete -c qmictl -l version -d 'Show the version'

# @WORDS@
