{{- define "roomwire.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "roomwire.labels" -}}
app.kubernetes.io/name: roomwire
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "roomwire.common" -}}
image: {{ include "roomwire.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  runAsUser: 10001
  runAsNonRoot: true
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- define "roomwire.env" -}}
- { name: ROOMWIRE_LOG_LEVEL, value: {{ .Values.logLevel | quote }} }
- name: ROOMWIRE_NATS_URL
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: ROOMWIRE_NATS_URL } }
{{- end }}

{{- define "roomwire.probes" -}}
livenessProbe: { httpGet: { path: /healthz, port: http }, periodSeconds: 10, failureThreshold: 6 }
readinessProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 2 }
startupProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 2, failureThreshold: 60 }
{{- end }}
