{{/* What is told after installing. A template of its own, so that tests can ask for it. */}}
{{- define "longhorn.notes" -}}
{{- $namespace := include "longhorn.namespace" . -}}
Aurochs {{ .Chart.AppVersion }} is being installed in the namespace {{ $namespace }}. Look on:

  kubectl -n {{ $namespace }} get pods --watch

The dashboard:
{{ if .Values.ingress.enabled }}
  http{{ if .Values.ingress.tls }}s{{ end }}://{{ .Values.ingress.host }}{{ regexReplaceAll "[(].*$" .Values.ingress.path "" }}
{{- else if eq .Values.service.ui.type "NodePort" }}
  http://ADDRESS-OF-ANY-NODE:{{ if .Values.service.ui.nodePort }}{{ int64 .Values.service.ui.nodePort }}{{ else }}$(kubectl -n {{ $namespace }} get service longhorn-frontend -o jsonpath='{.spec.ports[0].nodePort}'){{ end }}
{{- else if eq .Values.service.ui.type "LoadBalancer" }}
  http://$(kubectl -n {{ $namespace }} get service longhorn-frontend -o jsonpath='{.status.loadBalancer.ingress[0].ip}')
{{- else }}
  kubectl -n {{ $namespace }} port-forward service/longhorn-frontend 8080:80
  http://127.0.0.1:8080
{{- end }}

Log in as `admin`; the first password:

  kubectl -n {{ $namespace }} get secret {{ .Values.aurochs.login.usersSecret }} -o jsonpath='{.data.admin-password}' | base64 -d

A first volume: a PersistentVolumeClaim with storageClassName longhorn.
{{- $unknown := include "longhorn.unknownKeys" (dict "values" .Values "known" (splitList "\n" (.Files.Get "files/keys.txt")) "at" "") | trim }}
{{- if $unknown }}

NOT KNOWN, and so without any effect, are these values:
{{ range splitList "\n" $unknown }}
  {{ . }}
{{- end }}
{{- end }}
{{- $defaults := .Files.Get "files/defaults.json" | fromJson }}
{{- $changed := list }}
{{- range $key, $why := .Files.Get "files/without-effect.yaml" | fromYaml }}
{{- if ne (include "longhorn.valueAt" (dict "values" $.Values "key" $key)) (toJson (get $defaults $key)) }}
{{- $changed = append $changed (printf "%s: %s" $key $why) }}
{{- end }}
{{- end }}
{{- if $changed }}

Values that are known and change nothing here:
{{ range $changed }}
  {{ . }}
{{- end }}
{{- end }}
{{- end -}}
