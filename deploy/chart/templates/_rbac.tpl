{{/* Binds a cluster role to an account of ours. Takes {root, name, role, account}. */}}
{{- define "longhorn.clusterRoleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "longhorn.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .role }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ include "longhorn.namespace" .root }}
{{- end -}}

{{/* Binds a role in a namespace to an account of ours. Takes {root, name, role, account, namespace}; ours by default. */}}
{{- define "longhorn.roleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .namespace | default (include "longhorn.namespace" .root) }}
  labels:
    {{- include "longhorn.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .role }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ include "longhorn.namespace" .root }}
{{- end -}}
