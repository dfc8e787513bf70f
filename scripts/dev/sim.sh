# help: sim [--seeds N] [--hours H] [--from S]  simulate the core, one run a seed, on every core of the machine (10,000 seeds)
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

seeds= hours= from=1
while (($#)); do
    [[ ${2:-} =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "sim: $1 takes a number"
    case $1 in
    --seeds) seeds=$2 ;;
    --hours) hours=$2 ;;
    --from) from=$2 ;;
    *) die "sim: there is no option $1" ;;
    esac
    shift 2
done
[[ $seeds || $hours ]] || seeds=10000
bash scripts/dev/setup.sh build test
step "build the simulator" build_gcc
ninja -C "$BUILD/gcc" test/sim/test-sim-sim >/dev/null
workers=$(nproc)
[[ ! $seeds ]] || ((seeds >= workers)) || workers=1
pids=() rc=0 begin=$from
for ((i = 0; i < workers; i++)); do
    share=${seeds:+$(((seeds + workers - 1 - i) / workers))} # the first ones take what is left over
    env PHI_SIM_FROM="$begin" ${share:+PHI_SIM_SEEDS="$share"} ${hours:+PHI_SIM_HOURS="$hours"} "$BUILD/gcc/test/sim/test-sim-sim" >"$BUILD/sim-$i.log" 2>&1 &
    pids+=($!)
    begin=$((begin + ${share:-1000000000}))
done
for ((i = 0; i < workers; i++)); do
    wait "${pids[i]}" || rc=1
    grep -E "seeds of|^seed|step |ERROR" "$BUILD/sim-$i.log" || true
done
((rc == 0)) || die "sim: replay the seed that is named: PHI_SIM_SEED=N $BUILD/gcc/test/sim/test-sim-sim"
