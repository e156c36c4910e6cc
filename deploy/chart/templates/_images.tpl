{{/*
An image: `registry/repository:tag`. Takes {root, image, tag, registry}: the image's values, and what stands for an empty tag
and, last of all, for a registry that nobody names.
*/}}
{{- define "longhorn.image" -}}
{{- $values := .root.Values -}}
{{- $registry := coalesce .image.registry $values.global.imageRegistry $values.privateRegistry.registryUrl $values.global.cattle.systemDefaultRegistry .registry -}}
{{- $tag := .image.tag | default .tag -}}
{{- if $registry }}{{ trimSuffix "/" $registry }}/{{ end }}{{ .image.repository }}:{{ $tag }}
{{- end -}}

{{/* An image of ours, by its key below image.longhorn. Longhorn's own programs would not understand what they are told. */}}
{{- define "longhorn.ownImage" -}}
{{- $image := index .root.Values.image.longhorn .key -}}
{{- if regexMatch "(^|/)longhorn-(engine|manager|instance-manager)$" $image.repository -}}
{{- fail (printf "image.longhorn.%s.repository is %s, a program of Longhorn's: give the place of the image that deploy/Containerfile makes, or leave the key out" .key $image.repository) -}}
{{- end -}}
{{- include "longhorn.image" (dict "root" .root "image" $image "tag" .root.Chart.AppVersion "registry" "") -}}
{{- end -}}

{{/* A sidecar of Kubernetes', by its key below image.csi. */}}
{{- define "longhorn.sidecarImage" -}}
{{- include "longhorn.image" (dict "root" .root "image" (index .root.Values.image.csi .key) "tag" "" "registry" "registry.k8s.io") -}}
{{- end -}}

{{/* imagePullSecrets of a pod, or nothing. */}}
{{- define "longhorn.pullSecrets" -}}
{{- $names := list -}}
{{- with include "longhorn.registrySecret" . }}{{ $names = append $names . }}{{ end -}}
{{- range .Values.global.imagePullSecrets -}}
{{- if kindIs "map" . }}{{ $names = append $names .name }}{{ else }}{{ $names = append $names . }}{{ end -}}
{{- end -}}
{{- with uniq $names -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}
