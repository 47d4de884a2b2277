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

# Go: the one in PATH when it is new enough to bring the release that go.mod asks for, else Debian's, which brings the
# newer one as a module.
go_release=1.26.8
find_go() {
  local candidate version
  for candidate in "$(command -v go || true)" /usr/local/go/bin/go; do
    [ -x "$candidate" ] || continue
    version=$("$candidate" env GOVERSION | sed 's/^go//')
    case $(printf '%s\n1.21\n' "$version" | sort -V | head -1) in
      1.21) echo "$candidate"; return ;;
    esac
  done
  need_packages golang-go ca-certificates >&2
  local toolchain=golang.org/toolchain@v0.0.1-go$go_release.linux-amd64
  GOFLAGS= /usr/bin/go mod download "$toolchain" >&2
  local root
  root=$(/usr/bin/go env GOMODCACHE)/$toolchain
  chmod -R u+w "$root" # a module's files are unpacked without the right to run them
  chmod +x "$root"/bin/* "$root"/pkg/tool/*/*
  echo "$root/bin/go"
}
