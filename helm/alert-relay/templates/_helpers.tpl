{{/* Names and labels. */}}
{{- define "alert-relay.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 52 characters leave room for the suffixes of a StatefulSet's labels. */}}
{{- define "alert-relay.fullname" -}}
{{- $name := include "alert-relay.name" . }}
{{- if .Values.fullnameOverride }}{{ $name = .Values.fullnameOverride }}
{{- else if not (contains $name .Release.Name) }}{{ $name = printf "%s-%s" .Release.Name $name }}
{{- else }}{{ $name = .Release.Name }}
{{- end }}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "alert-relay.selector" -}}
app.kubernetes.io/name: {{ include "alert-relay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "alert-relay.labels" -}}
{{ include "alert-relay.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Labels of the pod and of what selects it; the pod of `helm test` has another component. */}}
{{- define "alert-relay.podSelector" -}}
{{ include "alert-relay.selector" . }}
app.kubernetes.io/component: relay
{{- end }}

{{- define "alert-relay.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "alert-relay.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "alert-relay.image" -}}
{{- $repository := required "image.repository is missing: the image in your registry, such as registry.example.com/alert-relay" .Values.image.repository }}
{{- if .Values.image.digest }}{{ $repository }}@{{ .Values.image.digest }}
{{- else }}{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* The port of an address such as :8080. */}}
{{- define "alert-relay.port" -}}
{{- regexFind "[0-9]+$" . }}
{{- end }}
{{- define "alert-relay.publicPort" -}}{{ include "alert-relay.port" .Values.config.server.listen }}{{- end }}
{{- define "alert-relay.adminPort" -}}{{ include "alert-relay.port" .Values.config.server.admin_listen }}{{- end }}
{{- define "alert-relay.publicScheme" -}}{{ empty (dig "tls" "cert_file" "" .Values.config.server) | ternary "http" "https" }}{{- end }}
{{- define "alert-relay.adminScheme" -}}{{ empty (dig "admin_tls" "cert_file" "" .Values.config.server) | ternary "http" "https" }}{{- end }}

{{/* An httpGet of the admin listener; these paths need no token. */}}
{{- define "alert-relay.probe" -}}
httpGet: {path: {{ .path }}, port: admin, scheme: {{ include "alert-relay.adminScheme" .root | upper }}}
{{ toYaml .times }}
{{- end }}

{{/* The first file of a *_file key, which may be a list. */}}
{{- define "alert-relay.firstFile" -}}
{{- if kindIs "slice" . }}{{ first . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* The Secret and key that a file is made from, as {name, key}; nothing if it is from elsewhere. */}}
{{- define "alert-relay.secretOf" -}}
{{- $path := .path }}
{{- range .root.Values.secrets }}
{{- $secret := .existingSecret }}
{{- range .keys }}
{{- $key := kindIs "string" . | ternary . (get (kindIs "string" . | ternary dict .) "key") }}
{{- $file := kindIs "string" . | ternary . (get (kindIs "string" . | ternary dict .) "file" | default $key) }}
{{- if eq $path (printf "/etc/alert-relay/secrets/%s" $file) }}{name: {{ $secret }}, key: {{ $key }}}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The host of config.server.public_url, for key (ingress.host or httpRoute.hostnames). */}}
{{- define "alert-relay.publicHost" -}}
{{- $url := .root.Values.config.server.public_url | default "" }}
{{- required (printf "%s is missing: give it, or config.server.public_url" .key) (urlParse $url).hostname }}
{{- end }}

{{- define "alert-relay.claim" -}}
{{- .Values.persistence.existingClaim | default (include "alert-relay.fullname" .) }}
{{- end }}

{{/* What the relay's pod and the pod of `helm test` have in common. */}}
{{- define "alert-relay.pod" -}}
serviceAccountName: {{ include "alert-relay.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "alert-relay.container" -}}
image: {{ include "alert-relay.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [/alert-relay]
env:
  # For `kubectl exec … -- /alert-relay COMMAND`.
  - {name: ALERT_RELAY_CONFIG, value: /etc/alert-relay/config/config.yaml}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.extraEnvFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}

{{/* Directories, never a subPath: only a directory follows a change of its ConfigMap or Secret. */}}
{{- define "alert-relay.mounts" -}}
- {name: config, mountPath: /etc/alert-relay/config, readOnly: true}
{{- if .Values.secrets }}
- {name: secrets, mountPath: /etc/alert-relay/secrets, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "alert-relay.volumes" -}}
- name: config
  configMap: {name: {{ include "alert-relay.fullname" . }}}
{{- if .Values.secrets }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range .Values.secrets }}
      - secret:
          name: {{ .existingSecret }}
          items:
            {{- range .keys }}
            {{- if kindIs "string" . }}
            - {key: {{ . }}, path: {{ . }}}
            {{- else }}
            - {key: {{ .key }}, path: {{ .file | default .key }}}
            {{- end }}
            {{- end }}
      {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The configuration as the user wrote it, with off where Helm read a bare off as false. */}}
{{- define "alert-relay.config" -}}
{{- $config := deepCopy .Values.config }}
{{- include "alert-relay.restoreOff" $config }}
{{- toYaml $config }}
{{- end }}
{{- define "alert-relay.restoreOff" -}}
{{- $node := . }}
{{- if kindIs "map" $node }}
{{- range $key, $value := $node }}
{{- if and (kindIs "bool" $value) (not $value) (has $key (list "listen" "count")) }}{{ $_ := set $node $key "off" }}
{{- else }}{{ include "alert-relay.restoreOff" $value }}
{{- end }}
{{- end }}
{{- else if kindIs "slice" $node }}
{{- range $node }}{{ include "alert-relay.restoreOff" . }}{{ end }}
{{- end }}
{{- end }}

{{/* The file with the first source's signing secret. */}}
{{- define "alert-relay.zabbixSecret" -}}
{{- $sources := .Values.config.zabbix | default list }}
{{- $source := kindIs "slice" $sources | ternary (first (append (kindIs "slice" $sources | ternary $sources list) dict)) $sources }}
{{- include "alert-relay.firstFile" ($source.secret_file | default "") }}
{{- end }}
