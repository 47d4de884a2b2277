# Helpers of the scripts here; sourced, never run.

# Debian's administrators' programs are not in everybody's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need_packages NAME…: installs those Debian packages that are not there yet. The services in them are not started.
need_packages() {
  local missing=() name
  for name in "$@"; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
      missing+=("$name")
    fi
  done
  if [ ${#missing[@]} = 0 ]; then return; fi
  echo "installing ${missing[*]}"
  as_root apt-get update -q
  (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
      trap 'as_root rm -f "$policy"' EXIT
      trap 'exit 130' INT TERM
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null
  )
}
