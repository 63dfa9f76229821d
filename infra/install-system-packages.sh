#!/usr/bin/env bash
# What the tests use besides Python, on Debian and Ubuntu: second opinions on seals
# (pdfsig of poppler-utils, openssl, xmlsec1, and Java with Maven for `make interop`),
# pictures of pages (pdftoppm of poppler-utils), a reader of QR codes (zbarimg) and a browser
# (chromium). Tra itself needs
# none of them.
set -euo pipefail

packages=()
command -v pdfsig >/dev/null || packages+=(poppler-utils)
command -v openssl >/dev/null || packages+=(openssl)
command -v xmlsec1 >/dev/null || packages+=(xmlsec1)
command -v zbarimg >/dev/null || packages+=(zbar-tools)
command -v javac >/dev/null || packages+=(default-jdk-headless)
command -v mvn >/dev/null || packages+=(maven)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || packages+=(chromium)

# With the word `bench`: what weasyprint, a peer of `make bench`, draws text with.
if [[ ${1:-} == bench ]]; then
  ldconfig -p | grep -q libpangoft2-1.0 || packages+=(libpango-1.0-0 libpangoft2-1.0-0)
fi

if [[ ${#packages[@]} -eq 0 ]]; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "please install: ${packages[*]}" >&2
  exit 1
fi
as_root=()
if [[ $EUID -ne 0 ]]; then
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update --quiet --quiet
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install --yes --quiet --quiet --no-install-recommends "${packages[@]}"
