{{/*
nodeSelector, tolerations and priority of a pod. Takes {root, of}: `of` is the part of the values that speaks of this pod; what
it does not say is said by `global`. Linux nodes of a cluster with Windows nodes are added to both.
*/}}
{{- define "longhorn.placement" -}}
{{- $global := .root.Values.global -}}
{{- $windows := $global.cattle.windowsCluster -}}
{{- $tolerations := .of.tolerations | default $global.tolerations | default (list) -}}
{{- $selector := .of.nodeSelector | default $global.nodeSelector | default (dict) -}}
{{- if $windows.enabled -}}
{{- $tolerations = concat ($windows.tolerations | default (list)) $tolerations -}}
{{- $selector = merge (dict) $selector ($windows.nodeSelector | default (dict)) -}}
{{- end -}}
{{- with .of.priorityClass }}
priorityClassName: {{ . }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $selector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What a container has that needs nothing of the node: no root, no capability, nothing to write on. */}}
{{- define "longhorn.unprivileged" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}
