{{/* Namespace of all objects. */}}
{{- define "longhorn.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "longhorn.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end -}}

{{/* Name of the secret with the login at the registry; empty for none. */}}
{{- define "longhorn.registrySecret" -}}
{{- if .Values.privateRegistry.registrySecret -}}
{{- .Values.privateRegistry.registrySecret -}}
{{- else if .Values.privateRegistry.createSecret -}}
{{- fail "privateRegistry.createSecret is true, and privateRegistry.registrySecret is empty: give the secret a name" -}}
{{- end -}}
{{- end -}}

{{/* What every program has to know of itself. */}}
{{- define "longhorn.podEnvironment" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
{{- with .Values.aurochs.log }}
- name: AUROCHS_LOG
  value: {{ . | quote }}
{{- end }}
{{- with .Values.global.timezone }}
- name: TZ
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Whether metrics are read without login: as it was said, else with a ServiceMonitor, which has none. "true" or "". */}}
{{- define "longhorn.metricsOpen" -}}
{{- if kindIs "bool" .Values.aurochs.metricsOpen -}}
{{- if .Values.aurochs.metricsOpen }}true{{ end -}}
{{- else if .Values.metrics.serviceMonitor.enabled }}true{{ end -}}
{{- end -}}
