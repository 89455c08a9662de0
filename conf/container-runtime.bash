# SPDX-License-Identifier: Apache-2.0
# Completion of container-runtime for bash. Put it into
# /usr/share/bash-completion/completions/container-runtime or read it with ". container-runtime.bash".

# Verbs, options and containers are asked of the program itself, so that this list is never another.
_container_runtime() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb="" root=() i words=
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --root) root=(--root "${COMP_WORDS[++i]}") ;;
        --log | --log-format | --log-level | --cgroup-manager | --rootless | --criu) ((i++)) ;;
        -*) ;;
        *)
            verb=${COMP_WORDS[i]}
            break
            ;;
        esac
    done

    case $before in
    --root | --bundle | -b | --image-path | --work-path)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
        ;;
    --log | --pid-file | --console-socket | --pidfd-socket | --config | --process | --resources | --file)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --log-format) words="text json" ;;
    --log-level) words="error warning info debug" ;;
    --cgroup-manager) words="cgroupfs systemd disabled" ;;
    --format) words="table json" ;;
    esac
    if [[ -z $words ]]; then
        case $verb:$word in
        *:-*)
            words=$(timeout 2 "${COMP_WORDS[0]}" ${verb:+"$verb"} --help 2>/dev/null |
                sed -n 's/^  \(-., \|    \)\(--[a-z0-9-]*\).*/\2/p')
            ;;
        :*)
            words=$(timeout 2 "${COMP_WORDS[0]}" --help 2>/dev/null |
                sed -n '/^Verbs/,/^$/s/^  \([a-z]*\) .*/\1/p')
            ;;
        create:* | run:* | spec:* | features:* | list:*) ;;
        *) words=$(timeout 2 "${COMP_WORDS[0]}" "${root[@]}" list -q 2>/dev/null) ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _container_runtime container-runtime
