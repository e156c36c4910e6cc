{{/*
A value as the text of a setting: whole numbers without exponents (numbers of a values file are floating), maps and lists as
JSON in which every value of a map is text, as settings by engine are kept.
*/}}
{{- define "longhorn.text" -}}
{{- if kindIs "map" . -}}
{{- $texts := dict -}}
{{- range $key, $value := . }}{{ $_ := set $texts $key (include "longhorn.text" $value) }}{{ end -}}
{{- toJson $texts -}}
{{- else if kindIs "slice" . -}}
{{- toJson . -}}
{{- else if kindIs "float64" . -}}
{{- if eq . (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* A value as JSON, unless somebody wrote it as JSON already. */}}
{{- define "longhorn.json" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}
