# help: down                    stop all that ./dev up started; its state stays
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/demo.sh

demo down
