#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints the LTE signal, then each change of it, until it is interrupted. Debian: jq.
set -eu

path=$(busctl --json=short call org.qmid1 /org/qmid1 org.qmid1.Manager FindDevice 'sa{sv}' '' 0 | jq -r '.data[0]')

busctl --json=short call org.qmid1 "$path" org.qmid1.Nas GetSignalInfo 'a{sv}' 0 |
    jq -r '.data[0].lte.data | "RSRP \(.rsrp.data) dBm, SNR \(.snr.data) dB"'

# A caller that is gone hears nothing, and a shell script is gone after each call of busctl: qmictl stays.
qmictl --json=short monitor nas |
    jq -r --unbuffered 'select(.indication == "signal-info") | .fields.lte |
        "RSRP \(.rsrp) dBm, SNR \(.snr) dB"'
