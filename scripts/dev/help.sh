# help: help                    this list
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh

say "usage: ./dev COMMAND"
say
for command in up down tour as tamper setup build test attacks fuzz sim crash races bench lint fmt fresh clean help; do
    # "# help: usage   what it does", at least two spaces between
    sed -nE 's/^# help: (.*[^ ])  +(.*)$/\1\t\2/p' "scripts/dev/$command.sh" 2>/dev/null || true
done | while IFS=$'\t' read -r usage what; do printf '  %-34s %s\n' "$usage" "$what"; done
