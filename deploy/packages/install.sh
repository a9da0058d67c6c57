#!/usr/bin/env bash
# deploy/packages/install.sh LIST...: installs what the named lists (build, run, demo, test, bench, ci) ask
# for and this machine lacks, and says what. Does nothing, quickly, when nothing is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if ! command -v dpkg-query apt-get >/dev/null; then
  echo "rowgate: this is not Debian, so nothing is installed; the packages needed are listed in" >&2
  printf '  %s\n' "${@/#/$here/}" | sed 's/$/.txt/' >&2
  exit 0
fi

missing=()
for list in "$@"; do
  while read -r package satisfied_by; do
    [[ -z $package || $package == \#* ]] && continue
    [[ -n $satisfied_by ]] && command -v "$satisfied_by" >/dev/null && continue
    [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == *' installed' ]] && continue
    missing+=("$package")
  done <"$here/$list.txt"
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "rowgate: these packages are missing, and installing them needs root; as root, run:" >&2
    echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "rowgate: installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1 </dev/null; then
  cat "$log" >&2
  echo "rowgate: apt-get could not install ${missing[*]} (its own words are above)." >&2
  exit 1
fi
