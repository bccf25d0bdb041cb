#!/bin/bash
# A batch job for any Slurm site: one workflow on several ranks.
#
#   sbatch --account=PROJECT --partition=NAME slurm/generic.sh WORKFLOW [OPTION of tarkka run]…
#
# The figures below are for half a node of 64 cores with 2 GB each; options of sbatch override them. `tarkka plan` says how
# much memory a rank needs and how many tiles there are: more ranks than tiles are idle.
#SBATCH --job-name=tarkka
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2000M
#SBATCH --time=02:00:00
#SBATCH --output=%x-%j.log
set -euo pipefail

if [ $# -lt 1 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0"
    exit 2
fi
export OMP_NUM_THREADS="$SLURM_CPUS_PER_TASK"

# Each rank takes all cores of its task. The tile grid follows from --memory (1792 MiB unless given), not from the job's
# memory, so that another shape of job gives the same bytes.
# srun does not take --cpus-per-task over from sbatch. --mpi=pmix is Open MPI's; `srun --mpi=list` shows what a site has.
exec srun --mpi=pmix --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    tarkka run --threads "$SLURM_CPUS_PER_TASK" "$@"
