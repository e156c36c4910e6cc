# Images for containerd, made of programs of this machine: there is no registry to pull from.

PAUSE_IMAGE=registry.test/pause:1

# put ROOT FILE…: files and directories into ROOT, at their own paths, with the libraries that programs among them need.
put() {
  local root=$1 file library
  shift
  for file; do
    mkdir -p "$root${file%/*}"
    cp -a "$file" "$root${file%/*}/"
    [ ! -L "$file" ] || put "$root" "$(realpath "$file")"
    [ -f "$file" ] || continue
    # What is no program, or needs none, has none.
    for library in $( { ldd "$file" 2>/dev/null || true; } | grep -o '/[^ ]*'); do
      [ -e "$root$library" ] && continue
      mkdir -p "$root${library%/*}"
      cp -L "$library" "$root${library%/*}/"
    done
  done
}

# images ROOT NAME CONFIG [NAME CONFIG]…: what is in ROOT becomes images; CONFIG is the `config` of the OCI image's JSON.
images() {
  local root=$1 work layer number=0
  shift
  work=$(mktemp -d "$CLUSTER_DIR/image.XXXXXX")
  tar --owner=0 --group=0 -C "$root" -cf "$work/layer.tar" .
  layer=sha256:$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)
  while [ $# -gt 0 ]; do
    number=$((number + 1))
    jq -n --argjson config "$2" --arg layer "$layer" --argjson path '["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]' \
      '{architecture: "amd64", os: "linux", config: ({Env: $path} + $config), rootfs: {type: "layers", diff_ids: [$layer]}}' >"$work/$number.json"
    jq -n --arg name "$1" --arg config "$number.json" '{Config: $config, RepoTags: [$name], Layers: ["layer.tar"]}'
    shift 2
  done | jq -s . >"$work/manifest.json"
  (cd "$work" && tar -cf - manifest.json ./*.json layer.tar --transform 's|^\./||') |
    ctr --address "$CONTAINERD" --namespace k8s.io images import -
  rm -rf "$work"
}

busybox_root() {
  local root=$1
  mkdir -p "$root"/{bin,etc,proc,sys,dev,tmp,root}
  cp "$(command -v busybox)" "$root/bin/busybox"
  busybox --list | while read -r applet; do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
}

import_images() {
  local root=$CLUSTER_DIR/images
  busybox_root "$root/busybox"
  images "$root/busybox" docker.io/library/busybox:1 '{"Cmd": ["sh"]}' "$PAUSE_IMAGE" '{"Entrypoint": ["/bin/sleep", "infinity"]}'
  import_database "$root/database"
  [ ! -x "$AUROCHS_BIN_DIR/aurochs" ] || import_product "$root/product"
  rm -rf "$root"
}

# A database as Debian has it.
import_database() {
  local root=$1
  busybox_root "$root"
  mkdir -p "$root"/var/lib/mysql "$root"/run/mysqld
  put "$root" /usr/sbin/mariadbd /usr/bin/mariadb-install-db /usr/bin/mariadb /usr/bin/my_print_defaults /usr/bin/resolveip /usr/share/mysql /etc/mysql
  printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
  cat >"$root/bin/start" <<'SH'
#!/bin/sh
set -e
[ -d /var/lib/mysql/mysql ] || mariadb-install-db --force --skip-name-resolve --user=root --datadir=/var/lib/mysql --auth-root-authentication-method=normal
exec mariadbd --user=root --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock --innodb-use-native-aio=0
SH
  chmod +x "$root/bin/start"
  images "$root" registry.test/mysql:debian '{"Cmd": ["start"]}'
}

# Our programs with what they call, and the sidecars, under the names that our manifest gives them.
import_product() {
  local root=$1 manifest=$harness/../../../deploy/longhorn.yaml program name
  local -a all=()
  busybox_root "$root"
  mkdir -p "$root/usr/local/bin"
  for program in aurochs aurochs-engine aurochs-csi; do
    strip --strip-debug -o "$root/usr/local/bin/$program" "$AUROCHS_BIN_DIR/$program"
    put "$root" "$AUROCHS_BIN_DIR/$program"
    rm "$root/$AUROCHS_BIN_DIR/$program"
  done
  put "$root" /etc/ssl/certs/ca-certificates.crt /etc/mke2fs.conf
  for program in mount umount blkid e2fsck mke2fs mkfs.ext4 resize2fs mkfs.xfs xfs_growfs xfs_repair losetup; do
    put "$root" "$(command -v "$program")"
  done
  # kubelet looks for a name without a registry at the usual one.
  all+=("docker.io/$(sed -n 's/^ *- --manager-image=//p' "$manifest" | head -n 1)" '{}')
  for program in csi-attacher csi-provisioner csi-resizer csi-snapshotter registrar; do
    ln "$K8S_BIN/$program" "$root/usr/local/bin/" 2>/dev/null || cp "$K8S_BIN/$program" "$root/usr/local/bin/"
    name=$program
    [ "$program" != registrar ] || name=csi-node-driver-registrar
    all+=("$(sed -n "s/^ *- --$name-image=//p" "$manifest")" "{\"Entrypoint\": [\"/usr/local/bin/$program\"]}")
  done
  all+=("$(sed -n 's/^ *- --csi-liveness-probe-image=//p' "$manifest")" '{"Entrypoint": ["/usr/local/bin/registrar"]}')
  images "$root" "${all[@]}"
}
