{{/*
Names of values that nobody knows, one a line. Takes {values, known, at}: `known` has the full names of all keys, of which those
that end with a dot are groups; the others hold whatever they hold.
*/}}
{{- define "longhorn.unknownKeys" -}}
{{- range $key, $value := .values -}}
{{- $name := printf "%s%s" $.at $key -}}
{{- if has $name $.known -}}
{{- else if has (printf "%s." $name) $.known -}}
{{- if kindIs "map" $value }}{{ include "longhorn.unknownKeys" (dict "values" $value "known" $.known "at" (printf "%s." $name)) }}{{ end -}}
{{- else }}{{ $name }}
{{ end -}}
{{- end -}}
{{- end -}}

{{/* The value of a key with dots, as JSON. Takes {values, key}. */}}
{{- define "longhorn.valueAt" -}}
{{- $value := .values -}}
{{- range splitList "." .key -}}
{{- if kindIs "map" $value }}{{ $value = get $value . }}{{ else }}{{ $value = "" }}{{ end -}}
{{- end -}}
{{- toJson $value -}}
{{- end -}}
