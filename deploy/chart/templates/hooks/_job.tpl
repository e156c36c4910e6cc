{{/* A job that Helm waits for. Takes {root, name, hook, policy, args, deadline (seconds)}. */}}
{{- define "longhorn.hookJob" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  namespace: {{ include "longhorn.namespace" .root }}
  labels:
    {{- include "longhorn.labels" .root | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-delete-policy: {{ .policy }}
spec:
  activeDeadlineSeconds: {{ .deadline }}
  # A refusal is final; it says why in the job's log.
  backoffLimit: 1
  template:
    metadata:
      labels:
        {{- include "longhorn.labels" .root | nindent 8 }}
        app: {{ .name }}
    spec:
      restartPolicy: Never
      serviceAccountName: longhorn-service-account
      {{- with include "longhorn.pullSecrets" .root | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with include "longhorn.placement" (dict "root" .root "of" .root.Values.longhornManager) | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ include "longhorn.ownImage" (dict "root" .root "key" "manager") }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          command: [aurochs]
          args: {{ toJson .args }}
          env:
            {{- include "longhorn.podEnvironment" .root | nindent 12 }}
          securityContext:
            {{- include "longhorn.unprivileged" .root | nindent 12 }}
{{- end -}}
