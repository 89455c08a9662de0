# SPDX-License-Identifier: Apache-2.0
# Completion of containerctl for bash. Put it into /usr/share/bash-completion/completions/containerctl
# or read it with ". containerctl.bash".

# The names of services and, unless $1 is "services", of tenants. Asks the supervisor that the command
# line names; a scoreboard that is not there gives no names.
_containerctl_names() {
    local root=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == --root ]] && root=(--root "${COMP_WORDS[i + 1]}")
    done
    timeout 2 "${COMP_WORDS[0]}" "${root[@]}" ps -aq 2>/dev/null | while IFS=/ read -r tenant service; do
        [[ $1 == tenants ]] || printf '%s/%s\n' "$tenant" "$service"
        [[ $1 == services ]] || printf '%s\n' "$tenant"
    done | sort -u
}

# The verb of the command line: the first word that is no option and no option's value.
_containerctl_verb() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --root | --socket | --url | --output | -o) ((i++)) ;;
        -*) ;;
        *)
            printf '%s' "${COMP_WORDS[i]}"
            return
            ;;
        esac
    done
}

_containerctl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb words=
    local everywhere="--output --root --socket --curl --url --debug --help"
    COMPREPLY=()
    verb=$(_containerctl_verb)

    case $before in
    --root)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
        ;;
    --socket)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    -o | --output)
        words="table wide json"
        [[ $verb != status ]] || words+=" auto csv openmetrics"
        ;;
    -s | --signal) words="HUP INT QUIT KILL USR1 USR2 TERM CONT STOP" ;;
    --stream) words="stdout stderr" ;;
    --tail) words="all 10 100 1000" ;;
    --timeout) words="10 30 60" ;;
    --since) words="10m 1h 24h" ;;
    --range) words="1h 24h 30d" ;;
    --for) words="1h 24h 72h" ;;
    esac
    if [[ -z $words ]]; then
        case $verb:$word in
        :-*) words=$everywhere ;;
        :*) words="ps status top why limits processes events history inspect start stop restart pause resume kill logs mails throttle apply version help" ;;
        ps:-*) words="--all --quiet --no-trunc $everywhere" ;;
        kill:-*) words="--signal --timeout --no-wait $everywhere" ;;
        start:-* | stop:-* | restart:-* | pause:-* | resume:-*) words="--timeout --no-wait $everywhere" ;;
        why:-* | processes:-* | mails:-*) words="--no-trunc $everywhere" ;;
        events:-*) words="--follow --since --tail $everywhere" ;;
        status:-*) words="--sort --state --search --limit --no-trunc $everywhere" ;;
        top:-*) words="--sort --state --search --limit --delay $everywhere" ;;
        throttle:-*) words="--for --force --all $everywhere" ;;
        history:-*) words="--range $everywhere" ;;
        limits:-*) words="--for $everywhere" ;;
        logs:-*) words="--follow --tail --timestamps --stream $everywhere" ;;
        *:-*) words=$everywhere ;;
        throttle:*) words="ls add rm clear test" ;;
        ps:*) words=$(_containerctl_names tenants) ;;
        status:* | top:*) words=$(_containerctl_names tenants) ;;
        events:* | mails:*) words=$(_containerctl_names all) ;;
        limits:*) words="$(_containerctl_names services) link" ;;
        inspect:* | logs:* | why:* | processes:* | history:*) words=$(_containerctl_names services) ;;
        start:* | stop:* | restart:* | pause:* | resume:* | kill:*) words=$(_containerctl_names all) ;;
        help:*) words="ps status top why limits processes events history inspect start stop restart pause resume kill logs mails throttle apply version" ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _containerctl containerctl
