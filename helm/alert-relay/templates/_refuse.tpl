{{/* Refuses values with which the relay would not start or not work. */}}
{{- define "alert-relay.refuse" -}}
{{- if and (gt (int .Values.replicas) 1) (eq (.Values.config.store.driver | default "sqlite") "sqlite") }}
{{- fail (printf "replicas: %d relays can't share a SQLite store (config.store.driver): use replicas: 1" (int .Values.replicas)) }}
{{- end }}
{{- if not (hasPrefix "/var/lib/alert-relay/" .Values.config.store.path) }}
{{- fail (printf "config.store.path: %s isn't on the volume: use a file below /var/lib/alert-relay/" .Values.config.store.path) }}
{{- end }}
{{- if hasSuffix "/" .Values.config.store.path }}
{{- fail (printf "config.store.path: %s is a directory: add the file's name" .Values.config.store.path) }}
{{- end }}
{{- $server := .Values.config.server }}
{{- range $key := list "listen" "admin_listen" }}
{{- $address := get $server $key }}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\])" $address }}
{{- fail (printf "config.server.%s: nothing outside of the container reaches %s, not even the probes: use 0.0.0.0 and a port" $key $address) }}
{{- end }}
{{- end }}
{{- if eq (include "alert-relay.publicPort" .) (include "alert-relay.adminPort" .) }}
{{- fail (printf "config.server: listen and admin_listen have the same port, %s: use another one for admin_listen" (include "alert-relay.adminPort" .)) }}
{{- end }}
{{- if and $server.admin_insecure (not .Values.networkPolicy.enabled) }}
{{- fail "config.server.admin_insecure: every pod of the cluster reaches the admin listener: set networkPolicy.enabled, or admin_token_file instead" }}
{{- end }}
{{- range $label := keys .Values.podLabels | sortAlpha }}
{{- if hasKey (include "alert-relay.podSelector" $ | fromYaml) $label }}
{{- fail (printf "podLabels: %s is the chart's own, by which it finds its pod: use another label" $label) }}
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (eq (include "alert-relay.adminScheme" .) "https") (empty .Values.serviceMonitor.tlsConfig) }}
{{- fail "serviceMonitor.tlsConfig is missing: with config.server.admin_tls Prometheus has to know the certificate's name and authority, such as {serverName: relay.example.com, ca: {secret: {name: relay-ca, key: ca.crt}}}" }}
{{- end }}
{{- $variables := dict }}
{{- range .Values.extraEnv }}{{ $_ := set $variables .name true }}{{ end }}
{{- if not (or $server.admin_token_file $server.admin_token_env (dig "admin_tls" "client_ca_file" "" $server) $server.admin_insecure
  (hasKey $variables "ALERT_RELAY_ADMIN_TOKEN") .Values.extraEnvFrom) }}
{{- fail "config.server: the admin listener is open to the whole cluster: set admin_token_file to a file of secrets, or admin_insecure: true if networkPolicy protects it" }}
{{- end }}
{{- $files := dict }}
{{- range .Values.secrets }}
{{- $secret := .existingSecret }}
{{- range .keys }}
{{- $file := . }}
{{- if not (kindIs "string" .) }}{{ $file = .file | default .key }}{{ end }}
{{- if hasKey $files $file }}
{{- fail (printf "secrets: %s and %s both have a file %s: give one of them another name with {key: %s, file: NAME}" (get $files $file) $secret $file $file) }}
{{- end }}
{{- $_ := set $files $file $secret }}
{{- end }}
{{- end }}
{{- include "alert-relay.refuseFiles" (dict "files" $files "key" "config" "value" .Values.config) }}
{{- end }}

{{/* Refuses a relative file, and one below /etc/alert-relay/secrets that no key of secrets makes. */}}
{{- define "alert-relay.refuseFiles" -}}
{{- $all := . }}
{{- if kindIs "map" .value }}
{{- range $key, $value := .value }}
{{- include "alert-relay.refuseFiles" (dict "files" $all.files "key" (printf "%s.%s" $all.key $key) "value" $value) }}
{{- end }}
{{- else if kindIs "slice" .value }}
{{- range $i, $value := .value }}
{{- include "alert-relay.refuseFiles" (dict "files" $all.files "key" (printf "%s[%d]" $all.key $i) "value" $value) }}
{{- end }}
{{- else if kindIs "string" .value }}
{{- if and .value (regexMatch "_file(\\[[0-9]+\\])?$" .key) (not (hasPrefix "/" .value)) }}
{{- fail (printf "%s: %s isn't a whole path: files of secrets are in /etc/alert-relay/secrets/" .key .value) }}
{{- end }}
{{- if and (hasPrefix "/etc/alert-relay/secrets/" .value) (not (hasKey .files (trimPrefix "/etc/alert-relay/secrets/" .value))) }}
{{- fail (printf "%s: no key in secrets makes the file %s: add it to the keys of an existingSecret (there %s)" .key .value (ternary "is none" (printf "are %s" (keys .files | sortAlpha | join ", ")) (empty .files))) }}
{{- end }}
{{- end }}
{{- end }}
