{{- define "troop.name" -}}
{{- if contains "troop" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-troop{{ end }}
{{- end }}

{{/* What pods of a component are found by: dict "root" $ "component" NAME. */}}
{{- define "troop.selector" -}}
app.kubernetes.io/name: troop
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "troop.labels" -}}
{{ include "troop.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{/* dict "root" $ "name" VALUE-OF-IMAGE */}}
{{- define "troop.image" -}}
{{- $image := .root.Values.image -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ get $image .name }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "troop.tokenSecret" -}}
{{- if .Values.token.value }}{{ include "troop.name" . }}-token{{ else }}{{ .Values.token.secret }}{{ end }}
{{- end }}

{{- define "troop.scheme" -}}
{{ if .Values.tls.secret }}https{{ else }}http{{ end }}
{{- end }}

{{- define "troop.learnerUrl" -}}
{{ include "troop.scheme" . }}://{{ include "troop.name" . }}-learner:7700
{{- end }}

{{- define "troop.runDirectory" -}}
/runs/{{ .Values.run.experiment }}-{{ .Values.run.number }}
{{- end }}

{{/* What every pod is: dict "root" $ "of" ITS-VALUES. */}}
{{- define "troop.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .of.gracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 7700
  runAsGroup: 7700
  fsGroup: 7700
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .of.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What every container is: dict "root" $ "image" NAME "of" ITS-VALUES. */}}
{{- define "troop.container" -}}
image: {{ include "troop.image" (dict "root" .root "name" .image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml .of.resources | nindent 2 }}
{{- end }}

{{/* The program asks itself for its health, as the image's own health check does: dict "program" NAME "port" HTTP. */}}
{{- define "troop.probes" -}}
{{- $ask := printf "exec: {command: [%s, --probe, \"127.0.0.1:%v\"]}" .program .port -}}
startupProbe:
  {{ $ask }}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 60
readinessProbe:
  {{ $ask }}
  periodSeconds: 5
  timeoutSeconds: 3
livenessProbe:
  {{ $ask }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{/* Runs a program in a Job: the program's name. A pod that has to go ends well as soon as it has drained, and its Job would
     take the run for over. Here it ends as what it is, interrupted. */}}
{{- define "troop.interruptible" -}}
- /bin/sh
- -c
- |
  trap 'interrupted=143; kill -TERM $program' TERM
  "$0" "$@" & program=$!
  [ -z "$interrupted" ] || kill -TERM $program
  wait $program; code=$?
  [ -z "$interrupted" ] || wait $program
  exit ${interrupted:-$code}
- {{ . }}
{{- end }}

{{- define "troop.tokenMount" -}}
- name: token
  mountPath: /run/secrets/troop
  readOnly: true
{{- end }}

{{- define "troop.tokenVolume" -}}
- name: token
  secret:
    secretName: {{ include "troop.tokenSecret" . }}
    items:
      - {key: {{ .Values.token.key }}, path: token}
    defaultMode: 0440
    optional: false
{{- end }}

{{/* Of a learner and its shards. */}}
{{- define "troop.serverEnv" -}}
- name: TROOP__SECURITY__TOKEN_FILE
  value: /run/secrets/troop/token
{{- if .Values.tls.secret }}
- name: TROOP__SECURITY__TLS_CERTIFICATE_FILE
  value: /run/secrets/troop-tls/tls.crt
- name: TROOP__SECURITY__TLS_KEY_FILE
  value: /run/secrets/troop-tls/tls.key
{{- if .Values.tls.clientSecret }}
- name: TROOP__SECURITY__TLS_CLIENT_CA_FILE
  value: /run/secrets/troop-tls/ca.crt
{{- end }}
{{- end }}
{{- end }}

{{- define "troop.serverTlsMount" -}}
{{- if .Values.tls.secret }}
- name: tls
  mountPath: /run/secrets/troop-tls
  readOnly: true
{{- end }}
{{- end }}

{{- define "troop.serverTlsVolume" -}}
{{- with .Values.tls.secret }}
- name: tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    optional: false
{{- end }}
{{- end }}

{{/* Options of a process that calls the learner. */}}
{{- define "troop.clientArguments" -}}
- --token-file=/run/secrets/troop/token
{{- if .Values.tls.secret }}
- --tls-ca=/run/secrets/troop-ca/ca.crt
{{- if .Values.tls.clientSecret }}
- --tls-certificate=/run/secrets/troop-client/tls.crt
- --tls-key=/run/secrets/troop-client/tls.key
{{- end }}
{{- end }}
{{- end }}

{{- define "troop.clientTlsMounts" -}}
{{- if .Values.tls.secret }}
- name: ca
  mountPath: /run/secrets/troop-ca
  readOnly: true
{{- if .Values.tls.clientSecret }}
- name: client
  mountPath: /run/secrets/troop-client
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{/* An actor sees the certificate's CA, and not the learner's key. */}}
{{- define "troop.clientTlsVolumes" -}}
{{- if .Values.tls.secret }}
- name: ca
  secret:
    secretName: {{ .Values.tls.secret }}
    items:
      - {key: ca.crt, path: ca.crt}
    defaultMode: 0440
    optional: false
{{- with .Values.tls.clientSecret }}
- name: client
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    optional: false
{{- end }}
{{- end }}
{{- end }}

{{/* Of what a volume of one's own asks for: dict "size" QUANTITY "className" NAME. */}}
{{- define "troop.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .className }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end }}

{{/* Whether the values fit each other; the schema says what each may be. */}}
{{- define "troop.check" -}}
{{- $actors := .Values.actors -}}
{{- $split := or $actors.act $actors.train -}}
{{- if and $split $actors.bundled }}{{ fail "expected actors.bundled to be 0 if actors.act or actors.train are not" }}{{ end }}
{{- if and $split (not (and $actors.act $actors.train .Values.topology.replays)) }}{{ fail "expected actors.act, actors.train and topology.replays together" }}{{ end }}
{{- if and .Values.topology.replays (not $split) }}{{ fail "expected actors.act and actors.train with topology.replays" }}{{ end }}
{{- if and .Values.replay.journal.enabled (not .Values.topology.replays) }}{{ fail "expected topology.replays with replay.journal.enabled" }}{{ end }}
{{- if and (eq .Values.form "job") (or .Values.topology.replays (gt (int .Values.shards) 1)) }}{{ fail "expected form: service with shards or replays" }}{{ end }}
{{- if and .Values.autoscaling.enabled (or $split (eq .Values.form "job")) }}{{ fail "expected bundled actors and form: service with autoscaling" }}{{ end }}
{{- if and .Values.tls.clientSecret (not .Values.tls.secret) }}{{ fail "expected tls.secret with tls.clientSecret" }}{{ end }}
{{- if not (or .Values.token.value .Values.token.secret) }}{{ fail "expected token.secret, the name of a Secret that exists, or token.value" }}{{ end }}
{{- end }}
