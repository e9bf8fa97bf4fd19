"""Objects of the OMA registry that are not written by hand. tools/lwm2m_objects.py writes this file.

Made from @nordicsemiconductor/lwm2m-types 2.7.0, whose notice this is.
"""

# BSD 3-Clause License
#
# Copyright (c) 2022-2023, Nordic Semiconductor ASA | nordicsemi.no
# All rights reserved.
#
# Redistribution and use in source and binary forms, with or without
# modification, are permitted provided that the following conditions are met:
#
# 1. Redistributions of source code must retain the above copyright notice, this
#    list of conditions and the following disclaimer.
#
# 2. Redistributions in binary form must reproduce the above copyright notice,
#    this list of conditions and the following disclaimer in the documentation
#    and/or other materials provided with the distribution.
#
# 3. Neither the name of the copyright holder nor the names of its
#    contributors may be used to endorse or promote products derived from
#    this software without specific prior written permission.
#
# THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"
# AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE
# IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
# DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
# FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
# DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
# SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
# CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
# OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
# OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

from __future__ import annotations

TABLE = """
10 LWM2M Cellular Connectivity | 1.1 |
  0 SMSC address | - | ?
  1 Disable radio period | - | I
  2 Module activation code | - | ?
  3 Vendor specific extensions | - | ?
  4 PSM Timer | - | I
  5 Active Timer | - | I
  7 eDRX parameters for Iu mode | - | ?
  8 eDRX parameters for WB-S1 mode | - | ?
  9 eDRX parameters for NB-S1 mode | - | ?
  10 eDRX parameters for A/Gb mode | - | ?
  11 Activated Profile Names | - | ? | *!
  12 Supported Power Saving Modes | - | I
  13 Active Power Saving Modes | - | I
  14 Release Assistance Indication Usage | - | I
11 LWM2M APN Connection Profile | 1.1 | *
  0 Profile name | - | ? | !
  1 APN | - | ?
  2 Auto select APN by device | - | ?
  3 Enable status | - | ?
  4 Authentication Type | - | I | !
  5 User Name | - | ?
  6 Secret | - | ?
  7 Reconnect Schedule | - | ?
  8 Validity (MCC, MNC) | - | ? | *
  9 Connection establishment time (1) | - | T | *
  10 Connection establishment result (1) | - | I | *
  11 Connection establishment reject cause (1) | - | I | *
  12 Connection end time (1) | - | T | *
  13 TotalBytesSent | - | I
  14 TotalBytesReceived | - | I
  15 IP address (2) | - | ? | *
  16 Prefix length(2) | - | ? | *
  17 Subnet mask (2) | - | ? | *
  18 Gateway (2) | - | ? | *
  19 Primary DNS address (2) | - | ? | *
  20 Secondary DNS address (2) | - | ? | *
  21 QCI (3) | - | I
  22 Vendor specific extensions | - | ?
  23 TotalPacketsSent | - | I
  24 PDN Type | - | I
  25 APN Rate Control | - | I
  26 Serving PLMN Rate control | - | I
  27 Uplink Time Unit | - | I
  28 APN Rate Control for Exception Data | - | I
  29 APN Exception Data Uplink Time Unit | - | I
  30 Supported RAT Types | - | I | *
  31 RDS Application ID | - | ? | *
  32 RDS Destination Port | - | I | *
  33 RDS Source Port | - | I | *
12 WLAN connectivity | 1.1 | *
  0 Interface name | - | ? | !
  1 Enable | - | ? | !
  2 Radio Enabled | - | I
  3 Status | - | I | !
  4 BSSID | - | ? | !
  5 SSID | - | ? | !
  6 Broadcast SSID | - | ?
  7 Beacon Enabled | - | ?
  8 Mode | - | I | !
  9 Channel | - | I | !
  10 Auto Channel | - | ?
  11 Supported Channels | - | I | *
  12 Channels In Use | - | I | *
  13 Regulatory Domain | - | ?
  14 Standard | - | I | !
  15 Authentication Mode | - | I | !
  16 Encryption Mode | - | I
  17 WPA Pre Shared Key | - | ?
  18 WPA Key Phrase | - | ?
  19 WEP Encryption Type | - | I
  20 WEP Key Index | - | I
  21 WEP Key Phrase | - | ?
  22 WEP Key 1 | - | ?
  23 WEP Key 2 | - | ?
  24 WEP Key 3 | - | ?
  25 WEP Key 4 | - | ?
  26 RADIUS Server | - | ?
  27 RADIUS Server Port | - | I
  28 RADIUS Secret | - | ?
  29 WMM Supported | - | ?
  30 WMM Enabled | - | ?
  31 MAC Control Enabled | - | ?
  32 MAC Address List | - | ? | *
  33 Total Bytes Sent | - | I
  34 Total Bytes Received | - | I
  35 Total Packets Sent | - | I
  36 Total Packets Received | - | I
  37 Transmit Errors | - | I
  38 Receive Errors | - | I
  39 Unicast Packets Sent | - | I
  40 Unicast Packets Received | - | I
  41 Multicast Packets Sent | - | I
  42 Multicast Packets Received | - | I
  43 Broadcast Packets Sent | - | I
  44 Broadcast Packets Received | - | I
  45 Discard Packets Sent | - | I
  46 Discard Packets Received | - | I
  47 Unknown Packets Received | - | I
  48 Vendor specific extensions | - | ?
13 LWM2M Bearer Selection | 1.1 |
  0 Preferred Communications Bearer | - | I | *
  1 Acceptable RSSI (GSM) | - | I
  2 Acceptable RSCP (UMTS) | - | I
  3 Acceptable RSRP (LTE) | - | I
  4 Acceptable RSSI (1xEV-DO) | - | I
  5 Cell lock list | - | ?
  6 Operator list | - | ?
  7 Operator list mode | - | ?
  8 List of available PLMNs | - | ?
  9 Vendor specific extensions | - | ?
  10 Acceptable RSRP (NB-IoT) | - | I
  11 Higher Priority PLMN Search Timer | - | I
  12 Attach without PDN connection | - | ?
15 DevCapMgmt | 2.0 | *
  0 Property | - | ? | !
  1 Group | - | I | !
  2 Description | - | ?
  3 Attached | - | ?
  4 Enabled | - | ? | !
  7 NotifyEn | - | ?
16 Portfolio | 1.0 | *
  0 Identity | - | ? | *!
  2 AuthData | - | ? | *
  3 AuthStatus | - | I
19 BinaryAppDataContainer | 1.0 | *
  0 Data | - | ? | *!
  1 Data Priority | - | I
  2 Data Creation Time | - | T
  3 Data Description | - | ?
  4 Data Format | - | ?
  5 App ID | - | I
20 Event Log | 2.0 | *
  4010 LogClass | - | I
  4013 LogStatus | - | I
  4014 LogData | - | ? | !
  4015 LogDataFormat | - | I
22 Virtual Observe Notify | 1.1 | *
  0 ObserveLinks | - | ? | *!
  1 Report | - | ? | !
  2 ResourceFilter | - | ?
  3 ReportLinks | - | ? | *
  4 ObserveRelation | - | I
  5 Virtual Observe Report Format | - | I
  6 Virtual Observe Report | - | ?
24 MQTT Server | 1.0 | *
  0 Will Retain | - | ?
  1 Will Topic | - | ?
  2 Will Message | - | ?
  3 Clean Session | - | ?
  4 Will QoS | - | I
  5 Keep Alive | - | I
  6 Client Identifier | - | ? | !
  7 User Name | - | ?
  8 Password | - | ?
26 LwM2M Gateway Routing | 1.0 | *
  0 LwM2M Object ID | - | I | !
  1 Mapping Info | - | ? | !
27 5GNR Connectivity | 1.0 | *
  0 Connectivity Option | - | I | !
  1 NR Band Support available | - | I | *
  2 NR Band attached | - | I | *
  3 S-NSSAI | - | I | *
  4 DNN Name | - | ?
  5 PDU Session Id | - | I
  6 SSC Mode | - | I
  7 PDU Session Type | - | I
  8 5QI | - | I
  9 SDAP Enablement | - | I
  10 QFI | - | I
  11 Session AMBR | - | I
  12 APN-AMBR | - | I
  13 NAS Reflective QOS | - | ?
  14 Access Stratum Reflective QoS | - | ?
  15 P-CSCF Address Index | - | I
  16 PDU session Authentication | - | I
  17 PLMN ID | - | ?
  18 LADN Support | - | ?
  19 Integrity Protection on DRB | - | I
  20 Access type Preference | - | ?
28 Device RF Capabilities | 1.0 |
  0 Supported LTE Band Information | - | I
  1 Supported EGPRS Band Information | - | I
  2 Supported TD-SCDMA Band Information | - | I
  3 Supported WCDMA Band Information | - | I
  4 Supported CDMA-2000 Band Information | - | I
  5 Supported WiMAX Band Information | - | I
  6 Supported NB-IoT Band Information | - | I
  7 Supported 5G Band Information | - | I
500 CoAP Config | 1.0 | *
  0 Network Bearer | - | I | !
  1 ACK_TIMEOUT | - | I | !
  2 ACK_RANDOM_FACTOR | - | F | !
  3 MAX_RETRANSMIT | - | I | !
  4 NSTART | - | I | !
  5 DEFAULT_LEISURE | - | I
  6 PROBING_RATE | - | I
  7 DTLS Retransmission Timer | - | I
  8 Max Response Waiting Time | - | I
501 LTE-MTC Band Config | 1.0 | *
  1 EARFCN | - | I | !
  2 Current Frequency (Downlink) | - | F | !
  3 Current Frequency (Uplink) | - | F
  4 Prioritized Channels | - | I | *!
  5 Reset Timeout | - | F | !
  48 Vendor specific extensions | - | ?
  5750 Application Type | - | ?
502 CO Detector | 1.0 | *
  0 CO Sensor Location Tag | - | ?
  1 CO Detected | - | ? | !
  2 Ambient CO Value | - | F
  3 CO Value | - | F | !
  4 Min CO Range Value | - | F
  5 Max CO Range Value | - | F
  6 CO Detection Accuracy | - | F
  7 Minimum Measured CO Value | - | F
  8 Maximum Measured CO Value | - | F
  9 Upper CO Threshold | - | F
  5514 Latitude | - | ?
  5515 Longitude | - | ?
  6039 Altitude | - | F
  6044 Battery Percentage | - | F
  6048 Alarm loudness | - | F
503 Fire Alarm | 1.0 | *
  0 Temperature Sensor Location Tag | - | ?
  1 Temperature Unit | - | I | !
  2 Ambient Temperature | - | F
  3 Temperature Value | - | F | !
  4 Minimum Measured Temperature Value | - | F
  5 Maximum Measured Temperature Value | - | F
  6 Min Temperature Range Value | - | F
  7 Max Temperature Range Value | - | F
  8 Lower Temperature Accuracy | - | F
  9 Upper Temperature Accuracy | - | F
  10 Temperature Threshold | - | F
  11 Temperature Sensor Error | - | ?
  13 Temperature Alarm Loudness | - | F
  14 Humidity Sensor Location Tag | - | ?
  15 Ambient Relative Humidity | - | F
  16 Humidity Value | - | F | !
  17 Minimum Measured Humidity Value | - | F
  18 Maximum Measured Humidity Value | - | F
  19 Humidity Accuracy | - | F
  20 Humidity Threshold | - | F
  21 Humidity Sensor Error | - | ?
  23 Humidity Alarm Loudness | - | F
  24 Smoke Sensor Location Tag | - | ?
  25 CO2 Alarm State | - | ? | !
  26 Ambient CO2 Value | - | F
  27 CO2 Value | - | F | !
  28 Minimum Measured CO2 Value | - | F
  29 Maximum Measured CO2 Value | - | F
  30 CO2 Threshold | - | F
  31 Smoke Sensor Error | - | ?
  33 Smoke Alarm Loudness | - | F
  5514 Latitude | - | ?
  5515 Longitude | - | ?
  6039 Altitude | - | F
  6044 Battery Percentage | - | F
504 Remote SIM Provisioning | 1.0 | *
  0 Current SIM Type | - | I | !
  1 Supported SIM Type | - | I | *!
  2 Service Provider Name | - | ?
  3 Download URI/Information | - | ?
  5 RSP Update State | - | I
  6 RSP Update Result | - | I
  7 Profile Name | - | ?
  8 Profile Package Version | - | ?
  9 Free Memory on SIM | - | I
  10 Total Memory on SIM | - | I
  11 Integrated Circuit Card Identifier (ICCID) | - | ? | *!
  12 eUICC ID | - | ?
  13 RSP Type | - | I | !
  14 Selected ICCID for RSP operation | - | ?
  15 RSP Consent Reason | - | ?
  16 RSP User Consent | - | ?
  17 RSP Confirmation Code | - | ?
  18 RSP Data Type | - | I
  19 Set RSP Data | - | ?
  20 Get RSP Data | - | ?
505 LwM2M SIM Provisioning | 1.0 | *
  0 Current SIM Type | - | I | !
  1 Supported SIM Type | - | I | *!
  2 Service Provider Name | - | ? | !
  3 Profile Package | - | ?
  4 Profile URI | - | ?
  6 Update State | - | I | !
  7 Update Result | - | I | !
  8 Profile Name | - | ?
  9 Profile Package Version | - | ?
  10 Profile Update Protocol Support | - | I | *
  11 Profile Update Delivery Method | - | I | !
  12 Free Memory on SIM | - | I
  13 Total Memory on SIM | - | I
  14 Integrated Circuit Card Identifier (ICCID) | - | I | *
  15 eUICC ID | - | ?
  16 Profile Type | - | ?
507 nuSIM Profile | 1.0 | *
  0 encP | - | ? | !
  1 mac | - | ? | !
  2 eKpubDP | - | ? | !
  3 SigEKpubDP | - | ? | !
  4 KpubDP | - | ? | !
  5 SigKpubDP | - | ? | !
  6 KpubCl | - | ? | !
508 nuSIM | 1.0 |
  0 EID | - | ? | !
  1 ICCID | - | ? | !
  2 nuSIM Capabilities | - | ? | !
  3 nuSIM Cert | - | ?
  4 nuSIM Profile | - | ? | !
  6 Load Profile Result | - | I | !
509 Measurement Metadata | 1.0 | *
  0 Linked Sensor | - | ? | !
  1 Measurement Quality Reason Code | - | I | *
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
510 Vendor Specific Measurement Quality Reason | 1.0 | *
  0 Vendor Specific Quality Reason Code | - | I | !
  1 Quality Reason Name | - | ? | !
  2 Quality Reason Description | - | ? | !
511 Compact Composite | 1.0 | *
  0 Target Links | - | ? | !
  1 Compact Data | - | ? | !
  2 Description | - | ?
2048 CmdhPolicy | 1.0 | *
  0 Name | - | ? | !
  1 DefaultRule | - | ? | !
  2 LimiRules | - | ? | *!
  3 NetworkAccessECRules | - | ? | *!
  4 BufferRules | - | ? | *!
2049 ActiveCmdhPolicy | 1.0 |
  0 ActiveLink | - | ? | !
2050 CmdhDefaults | 1.0 | *
  0 DefaultEcRules | - | ? | *!
  1 DefaultEcParamRules | - | ? | *!
2051 CmdhDefEcValues | 1.0 | *
  0 Order | - | I | !
  1 DefEcValue | - | ? | !
  2 RequestOrigin | - | ? | *!
  3 RequestContext | - | ?
  4 RequestContextNotification | - | ?
  5 RequestCharacteristics | - | ?
2052 CmdhEcDefParamValues | 1.0 | *
  0 ApplicableEventCategory | - | I | *!
  1 DefaultRequestExpTime | - | I | !
  2 DefaultResultExpTime | - | I | !
  3 DefaultOpExecTime | - | I | !
  4 DefaultRespPersistence | - | I | !
  5 DefaultDelAggregation | - | I | !
2053 CmdhLimits | 1.0 | *
  0 Order | - | I | !
  1 RequestOrigin | - | ? | *!
  2 RequestContext | - | ?
  3 RequestContextNotificatio | - | ?
  4 RequestCharacteristics | - | ?
  5 LimitsEventCategory | - | I | *!
  6 LimitsRequestExpTime | - | I | *!
  7 LimitsResultExpTime | - | I | *!
  8 LimitsOptExpTime | - | I | *!
  9 LimitsRespPersistence | - | I | *!
  10 LimitsDelAggregation | - | ? | *!
2054 CmdhNetworkAccessRules | 1.0 | *
  0 ApplicableEventCategories | - | I | *!
  1 NetworkAccessRule | - | ? | *
2055 CmdhNwAccessRule | 1.0 | *
  0 TargetNetwork | - | ? | *!
  1 SpreadingWaitTime | - | I | !
  2 MinReqVolume | - | I | !
  3 BackOffParameters | - | ? | !
  4 OtherConditions | - | ? | !
  5 AllowedSchedule | - | ? | *!
2056 CmdhBuffer | 1.0 | *
  0 ApplicableEventCategory | - | I | *!
  1 MaxBufferSize | - | I | !
  2 StoragePriority | - | I | !
2057 CmdhBackOffParametersSet | 1.0 | *
  0 NetworkAction | - | I
  1 InitialBackoffTime | - | I | !
  2 AdditionalBackoffTime | - | I | !
  3 MaximumBackoffTime | - | I | !
  4 OptionalRandomBackoffTime | - | I | *
3351 powerupLog | 1.0 |
  0 deviceName | - | ? | !
  1 toolVersion | - | ? | !
  2 IMEI | - | ? | !
  3 IMSI | - | ? | !
  4 MSISDN | - | ? | !
3352 plmnSearchEvent | 1.0 | *
  0 timeScanStart | - | I | !
  6030 plmnID | - | I | !
  6031 BandIndicator | - | I | !
  6032 dlEarfcn | - | I | !
3353 scellID | 1.0 |
  2 TrackingAreaCode | - | I | !
  6030 plmnID | - | I | !
  6031 BandIndicator | - | I | !
  6033 CellID | - | I | !
3354 cellReselectionEvent | 1.0 |
  0 timeReselectionStart | - | I | !
  3 failureType | - | I | !
  6032 dlEarfcn | - | I | !
  6033 CellID | - | I | !
3355 handoverEvent | 1.0 |
  0 timeHandoverStart | - | I | !
  3 handoverResult | - | I | !
  4 TargetEarfcn | - | I | !
  5 TargetPhysicalCellID | - | I | !
  6 targetCellRsrp | - | I | !
  6032 dlEarfcn | - | I | !
  6033 CellID | - | I | !
3356 radioLinkFailureEvent | 1.0 |
  0 timeRLF | - | I | !
  1 rlfCause | - | I | !
3357 rrcStateChangeEvent | 1.0 |
  0 rrcState | - | I | !
  1 rrcStateChangeCause | - | I | !
3358 rrcTimerExpiryEvent | 1.0 |
  0 RrcTimerExpiryEvent | - | I | !
3359 cellBlacklistEvent | 1.0 |
  6032 dlEarfcn | - | I | !
  6033 CellID | - | I | !
3360 esmContextInfo | 1.0 |
  0 contextType | - | I | !
  1 bearerState | - | I | !
  2 radioBearerId | - | I | !
  3 qci | - | I | !
3361 emmStateValue | 1.0 |
  0 EmmState | - | I | !
  1 emmSubstate | - | I | !
3362 nasEmmTimerExpiryEvent | 1.0 |
  0 NasEmmTimerExpiryEvent | - | I | !
3363 nasEsmExpiryEvent | 1.0 |
  0 NasEsmExpiryEvent | - | I | !
3364 emmFailureCauseEvent | 1.0 |
  0 EMMCause | - | I | !
3365 rachLatency_delay | 1.0 |
  2 rachLatencyVal | - | I | !
  3 delay | - | I | !
  6037 sysFrameNumber | - | I | !
  6038 subFrameNumber | - | I | !
3366 macRachAttemptEvent | 1.0 |
  0 rachAttemptCounter | - | I | !
  1 MacRachAttemptEventType | - | I | !
  2 contentionBased | - | ? | !
  3 rachMessage | - | I | !
  4 preambleIndex | - | I | !
  5 preamblePowerOffset | - | I | !
  6 backoffTime | - | I | !
  7 msg2Result | - | ? | !
  8 timingAdjustmentValue | - | I | !
3367 macRachAttemptReasonEvent | 1.0 |
  0 MacRachAttemptReasonType | - | I | !
  1 ueID | - | I | !
  2 contentionBased | - | ? | !
  3 preamble | - | I | !
  4 preambleGroupChosen | - | ? | !
3368 macTimerStatusEvent | 1.0 |
  0 macTimerName | - | I | !
3369 macTimingAdvanceEvent | 1.0 |
  0 timerValue | - | I | !
  1 timingAdvance | - | I | !
3370 ServingCellMeasurement | 1.0 |
  6032 dlEarfcn | - | I | !
  6034 pci | - | I | !
  6035 rsrp | - | I | !
  6036 rsrq | - | I | !
  6037 sysFrameNumber | - | I | !
  6038 subFrameNumber | - | I | !
3371 NeighborCellMeasurements | 1.0 | *
  6032 dlEarfcn | - | I | !
  6034 pci | - | I | !
  6035 rsrp | - | I | !
  6036 rsrq | - | I | !
  6037 sysFrameNumber | - | I | !
  6038 subFrameNumber | - | I | !
3372 TimingAdvance | 1.0 |
  2 timingAdvance | - | I | !
  6037 sysFrameNumber | - | I | !
  6038 subFrameNumber | - | I | !
3373 txPowerHeadroomEvent | 1.0 |
  2 headroom-value | - | I | !
  6037 sysFrameNumber | - | I | !
  6038 subFrameNumber | - | I | !
3374 radioLinkMonitoring | 1.0 |
  2 outOfSyncCount | - | I | !
  3 inSyncCount | - | I | !
  4 t310Timer | - | ? | !
  6037 sysFrameNumber | - | I | !
  6038 subFrameNumber | - | I | !
3375 PagingDRX | 1.0 |
  2 pagingCycle | - | I | !
  3 DrxNb | - | I | !
  4 ueID | - | I | !
  5 drxSysFrameNumOffset | - | I | !
  6 drxSubFrameNumOffset | - | I | !
  6032 dlEarfcn | - | I | !
  6034 pci | - | I | !
3376 txPowerBackOffEvent | 1.0 |
  0 TxPowerBackoff | - | I | !
3377 Message3Report | 1.0 |
  0 tpc | - | I | !
  1 resourceIndicatorValue | - | I | !
  2 cqi | - | I | !
  3 uplinkDelay | - | ? | !
  4 hoppingEnabled | - | ? | !
  5 numRb | - | I | !
  6 transportBlockSizeIndex | - | I | !
  7 ModulationType | - | I | !
  8 redundancyVersionIndex | - | I | !
3378 PbchDecodingResults | 1.0 |
  0 servingCellID | - | I | !
  1 crcResult | - | ? | !
  6037 sysFrameNumber | - | I | !
3379 pucchPowerControl | 1.0 |
  2 pucchTxPowerValue | - | I | !
  3 dlPathLoss | - | I | !
  6037 sysFrameNumber | - | I | !
  6038 subFrameNumber | - | I | !
3380 PrachReport | 2.0 |
  2 rachTxPower | - | I | !
  3 zadOffSeqNum | - | I | !
  4 prachConfig | - | I | !
  5 preambleFormat | - | I | !
  6 maxTransmissionMsg3 | - | I | !
  7 raResponseWindowSize | - | I | !
  8 RachRequestResult | - | ? | !
  9 ce_mode | - | I | !
  10 ce_level | - | I | !
  11 num_prach_repetition | - | I | !
  12 prach_repetition_seq | - | I | !
  6037 sysFrameNumber | - | I | !
  6038 subFrameNumber | - | I | !
3381 VolteCallEvent | 1.0 |
  0 callStatus | - | I | !
  1 callType | - | I | !
3382 SipRegistrationEvent | 1.0 |
  0 registrationType | - | I | !
  1 registrationResult | - | I | !
3383 sipPublishEvent | 1.0 |
  0 publishResult | - | I | !
3384 sipSubscriptionEvent | 1.0 |
  0 eventType | - | I | !
  1 subscriptionResult | - | I | !
3385 volteCallStateChangeEvent | 1.0 |
  0 callStatus | - | I | !
  1 VolteCallStateChangeCause | - | I | !
3386 VoLTErtpPacketLoss | 1.0 |
  0 ssrc | - | I | !
  1 packetsLost | - | I | !
3387 oA Basic Control | 1.0 | *
  800 Control Function Status | - | I | !
  801 Control Object Mode | - | I | !
  802 Ghost Configuration | - | ?
  803 Controlled Application Group ID | - | I | !
  805 Supersede Heartbeat | - | I
  806 Push-Button Event Configuration | - | I | !
  807 Presence Sensor Event Configuration | - | I | !
  811 Active-Controller-List | - | ? | *
  812 Ghost Status | - | ? | !
  813 Supersede Heartbeat Time | - | I | !
  901 Documentary Description | - | ?
  905 Debug Mode Enabled | - | ?
  906 Inject Test Event | - | I
  909 Executing Object | - | ? | !
  924 Object Enabled | - | ?
  4001 ObjectVersion | - | ?
3388 oA Device | 1.0 | *
  500 OEM ID | - | ?
  501 OEM String | - | ?
  503 CPU Temperature | - | I | !
  504 Executing Objects | - | ? | *!
  505 System Failure Time | - | I
  901 Documentary Description | - | ?
  907 Error Status | - | I | !
  908 Mounting Location | - | ? | !
  910 Total Energy Usage | - | I | !
  911 Actual Power Usage | - | I | !
  912 Accuracy Class | - | ?
  929 BMS ID | - | I
  4001 ObjectVersion | - | ?
3389 oA Group | 1.0 | *
  600 Application Group ID | - | I | !
  601 Security Group ID | - | I | !
  602 IP Addresses | - | ? | *!
  603 Members | - | ? | *!
  901 Documentary Description | - | ?
  4001 ObjectVersion | - | ?
3390 oA Logical Colour Light-Point Actuator | 1.0 | *
  125 Target Colour X | - | I | !
  126 Target Colour Y | - | I | !
  127 Colour Changing Time | - | I | !
  128 Colour Transition Time | - | I | !
  129 Hue Step Size | - | I | !
  130 Saturation Step Size | - | I | !
  131 Set Colour | - | ? | !
  132 Relative Change Hue | - | ? | !
  133 Step Hue | - | ? | !
  134 Relative Change Saturation | - | ? | !
  135 Step Saturation | - | ? | !
  901 Documentary Description | - | ?
  902 Recall Scene | - | I | !
  903 Application Group ID | - | I | !
  904 Status Resend Time | - | I | !
  905 Debug Mode Enabled | - | ?
  906 Inject Test Event | - | I
  909 Executing Object | - | ? | !
  919 Status Report Structure ID | - | I | !
  921 Priority | - | I | !
  922 Scene Cache | - | ? | *
  924 Object Enabled | - | ?
  4001 ObjectVersion | - | ?
3391 oA Logical Colour Temperature Light-Point Actuator | 1.0 | *
  139 Colour Temperature Changing Time | - | I | !
  140 Colour Temperature Transition Time | - | I | !
  141 Colour Temperature Step Size | - | I | !
  142 Set Colour Temperature | - | ? | !
  143 Relative Change Colour Temperature | - | ? | !
  145 Step Colour Temperature | - | ? | !
  146 Target Colour Temperature | - | I | !
  901 Documentary Description | - | ?
  902 Recall Scene | - | I | !
  903 Application Group ID | - | I | !
  904 Status Resend Time | - | I | !
  905 Debug Mode Enabled | - | ?
  906 Inject Test Event | - | I
  909 Executing Object | - | ? | !
  919 Status Report Structure ID | - | I | !
  921 Priority | - | I | !
  922 Scene Cache | - | ? | *
  924 Object Enabled | - | ?
  4001 ObjectVersion | - | ?
3392 oA Logical Illuminance Sensor | 1.0 | *
  400 Less Than | - | I
  401 Greater Than | - | I
  402 Step | - | I
  403 Minimum Update Interval | - | I | !
  404 Sensor Value | - | I | !
  901 Documentary Description | - | ?
  903 Application Group ID | - | I | !
  904 Status Resend Time | - | I | !
  905 Debug Mode Enabled | - | ?
  906 Inject Test Event | - | I
  909 Executing Object | - | ? | !
  919 Status Report Structure ID | - | I | !
  924 Object Enabled | - | ?
  4001 ObjectVersion | - | ?
3393 oA Logical Light-Point Actuator | 1.0 | *
  100 Target OnOff | - | ? | !
  101 Target Intensity | - | F | !
  106 Dimming Time | - | I | !
  108 Transition Time | - | I | !
  109 Step Size | - | F | !
  117 Switch | - | ? | !
  118 Dim | - | ? | !
  120 Step | - | ? | !
  901 Documentary Description | - | ?
  902 Recall Scene | - | I | !
  903 Application Group ID | - | I | !
  904 Status Resend Time | - | I | !
  905 Debug Mode Enabled | - | ?
  906 Inject Test Event | - | I
  909 Executing Object | - | ? | !
  919 Status Report Structure ID | - | I | !
  921 Priority | - | I | !
  922 Scene Cache | - | ? | *
  924 Object Enabled | - | ?
  4001 ObjectVersion | - | ?
3394 oA Logical Presence Sensor | 1.0 | *
  901 Documentary Description | - | ?
  903 Application Group ID | - | I | !
  904 Status Resend Time | - | I | !
  905 Debug Mode Enabled | - | ?
  906 Inject Test Event | - | ?
  909 Executing Object | - | ? | !
  919 Status Report Structure ID | - | I | !
  924 Object Enabled | - | ?
  4001 ObjectVersion | - | ?
  5500 Digital Input State | - | ? | !
  5903 Busy to Clear delay | - | I
  5904 Clear to Busy delay | - | I
3395 oA Logical Push-Button Sensor | 1.0 | *
  202 Push-Button Event Value | - | I | !
  203 Single Click Time | - | I | !
  204 Hold Repeat Time | - | I
  901 Documentary Description | - | ?
  903 Application Group ID | - | I | !
  904 Status Resend Time | - | I | !
  905 Debug Mode Enabled | - | ?
  906 Inject Test Event | - | I
  909 Executing Object | - | ? | !
  919 Status Report Structure ID | - | I | !
  924 Object Enabled | - | ?
  4001 ObjectVersion | - | ?
3396 oA Physical Colour Light-Point Actuator | 1.0 | *
  100 Current Intensity | - | F | !
  102 Remaining Transition Time | - | I | !
  103 Physical Minimum Intensity | - | F
  104 Minimum Intensity | - | F | !
  105 Maximum Intensity | - | F | !
  110 Power On Behaviour | - | I
  111 Power On Intensity | - | F
  114 Stored Intensity | - | F
  115 System Failure Intensity | - | F
  122 Current Colour Y | - | I | !
  123 Current Colour X | - | I | !
  124 Remaining Colour Transition Time | - | I | !
  901 Documentary Description | - | ?
  907 Error Status | - | ? | !
  908 Mounting Location | - | ? | !
  910 Total Energy Usage | - | I | !
  911 Actual Power Usage | - | I | !
  912 Accuracy Class | - | ?
  930 Operating Hours | - | I | !
  931 Adjusted Operating Hours | - | I | !
  4001 ObjectVersion | - | ?
  5850 On/Off | - | ? | !
3397 oA Physical Colour Temperature Light-Point Actuator | 1.0 | *
  100 Current Intensity | - | F | !
  102 Remaining Transition Time | - | I | !
  103 Physical Minimum Intensity | - | F
  104 Minimum Intensity | - | F | !
  105 Maximum Intensity | - | F | !
  110 Power On Behaviour | - | I
  111 Power On Intensity | - | F
  114 Stored Intensity | - | F
  115 System Failure Intensity | - | F
  137 Current Colour Temperature | - | I | !
  138 Remaining Colour Temperature Transition Time | - | I | !
  155 Physical Minimum Colour Temperature | - | I
  156 Physical Maximum Colour Temperature | - | I
  157 Minimum Colour Temperature | - | I
  158 Maximum Colour Temperature | - | I
  901 Documentary Description | - | ?
  907 Error Status | - | I | !
  908 Mounting Location | - | ? | !
  910 Total Energy Usage | - | I | !
  911 Actual Power Usage | - | I | !
  912 Accuracy Class | - | ?
  930 Operating Hours | - | I | !
  931 Adjusted Operating Hours | - | I | !
  4001 ObjectVersion | - | ?
  5850 On/Off | - | ? | !
3398 oA Physical Illuminance Sensor | 1.0 | *
  407 Min Range Value | - | I
  408 Max Range Value | - | I
  901 Documentary Description | - | ?
  907 Error Status | - | I | !
  908 Mounting Location | - | ? | !
  4001 ObjectVersion | - | ?
3399 oA Physical Light-Point Actuator | 1.0 | *
  100 Current Intensity | - | F | !
  102 Remaining Transition Time | - | I | !
  103 Physical Minimum Intensity | - | F
  104 Minimum Intensity | - | F | !
  105 Maximum Intensity | - | F | !
  110 Power On Behaviour | - | I
  111 Power On Intensity | - | F
  114 Stored Intensity | - | F
  115 System Failure Intensity | - | F
  901 Documentary Description | - | ?
  907 Error Status | - | I | !
  908 Mounting Location | - | ? | !
  910 Total Energy Usage | - | I | !
  911 Actual Power Usage | - | I | !
  912 Accuracy Class | - | ?
  930 Operating Hours | - | I | !
  931 Adjusted Operating Hours | - | I | !
  4001 ObjectVersion | - | ?
  5850 On/Off | - | ? | !
3400 oA Physical Presence Sensor | 1.0 | *
  901 Documentary Description | - | ?
  907 Error Status | - | I | !
  908 Mounting Location | - | ? | !
  4001 ObjectVersion | - | ?
3401 oA Physical Push-Button Sensor | 1.0 | *
  201 Push-Button Status Value | - | I | !
  901 Documentary Description | - | ?
  907 Error Status | - | I | !
  908 Mounting Location | - | ? | !
  4001 ObjectVersion | - | ?
  5502 Digital Input Polarity | - | ? | !
  5503 Digital Input Debounce | - | I | !
3402 oA Receiving Object | 1.0 | *
  901 Documentary Description | - | ?
  909 Executing Object | - | ? | !
  923 Status Report | - | ? | !
  4001 ObjectVersion | - | ?
3403 oA Reporting Object | 1.0 | *
  901 Documentary Description | - | ?
  903 Application Group ID | - | I | !
  904 Status Resend Time | - | I | !
  919 Status Report Structure ID | - | I | !
  932 Reporting Object Instances | - | ? | *!
  933 Target Resource | - | ? | !
  4001 ObjectVersion | - | ?
3404 oA Scene | 1.0 | *
  650 Scene ID | - | I | !
  651 Application Group ID | - | I | !
  652 Transition Time | - | I | !
  653 Scene Configuration | - | ? | *!
  655 Changeable by User API | - | ? | !
  901 Documentary Description | - | ?
  4001 ObjectVersion | - | ?
3405 oA OGC-Security | 1.0 | *
  0 OGC Security ID | - | I | !
  3 Accepted Senders | - | ? | *!
  5 Secret Group Key | - | ? | !
  901 Documentary Description | - | ?
  4001 ObjectVersion | - | ?
3406 oA Status Report Structure | 1.0 | *
  850 Status Report Structure ID | - | I | !
  851 Keys | - | ? | *!
  901 Documentary Description | - | ?
  4001 ObjectVersion | - | ?
3407 Smoke Alarm | 1.0 | *
  6044 Battery Percentage | - | F
  6045 RSSI | - | F
  6046 Smoke Sensor State | - | ? | !
  6047 Detected CO2 percentage | - | F
  6048 Alarm loudness | - | F
3408 Manhole Cover | 1.0 | *
  1 Safety Angle Threshold | - | I | !
  2 Manhole Cover Tilt | - | I | !
  3 Cover Open Status | - | ? | !
3410 Device Extension | 2.0 |
  1 GTIN model number | - | ?
  2 Manufacturer identifier | - | ? | !
  3 User-given name | - | ?
  4 Asset identifier | - | ?
  5 Installation date | - | T
  6 Software update | - | ?
  7 Maintenance | - | ?
  9 Device operating hours | - | I
  10 Additional firmware information | - | ?
  11 DST Start | - | T | *
  12 DST End | - | T | *
  13 DST Offset | - | ? | *
  14 Uptime | - | I
  15 RFD device | - | ?
3411 Battery | 1.1 | *
  1 Battery level | - | I | !
  2 Battery capacity | - | F
  3 Battery voltage | - | F
  4 Type of battery | - | ?
  5 Low battery threshold | - | I
  6 Battery level too low | - | ?
  7 Battery shutdown | - | ?
  8 Number of cycles | - | I
  9 Supply loss | - | ?
  10 Supply loss counter | - | I
  12 Supply loss reason | - | ?
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3412 LPWAN Communication | 1.0 | *
  1 Type of network | - | ?
  2 IPv4 address | - | ? | *
  3 IPv6 address | - | ? | *
  4 Network address | - | ? | *
  5 Secondary network address | - | ? | *
  6 MAC address | - | ? | !
  7 Peer address | - | ? | *
  8 Multicast group address | - | ? | *
  9 Multicast group key | - | ? | *
  10 Data rate | - | I
  11 Transmit power | - | F
  12 Frequency | - | F
  13 Session time | - | T
  14 Session duration | - | T
  15 Mesh node | - | ?
  16 Maximum repeat time | - | I
  17 Number of repeats | - | I
  18 Signal to noise ratio | - | F
  19 Communication failure | - | ?
  20 Received Signal Strength Indication | - | F
  21 IMSI | - | ?
  22 IMEI | - | ?
  23 Current Communication Operator | - | ?
  24 Integrated Circuit Card Identifier | - | ?
3413 uCIFI Generic Actuator | 1.1 | *
  1 Default dimming level | - | I
  2 Dimming level | - | I
  3 Command | - | I
  4 Command in action | - | I
  5 Scheduler ID | - | I | *
  6 Invalid scheduler | - | ?
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3414 uCIFI data bridge | 2.0 | *
  1 Payload | - | ? | !
  2 Hash | - | ?
  3 Cumulated daily data volume up | - | I
  4 Cumulated daily data volume down | - | I
  5 Cumulated daily data volume total | - | I
  6 Communication error | - | ?
  7 Data Priority | - | I
  8 Data Creation Time | - | T
  9 Data Description | - | ?
  10 Data Format | - | ?
  11 App ID | - | I
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3415 Time synchronization | 2.0 |
  1 NTP server address | - | ? | !
  2 Backup NTP server address | - | ?
  3 NTP period | - | I
  4 Last time sync | - | I
  5 Time sync error | - | ?
3416 Outdoor lamp controller | 2.0 | *
  1 Command | - | I | !
  2 Command in action | - | I
  3 Dimming level | - | I | !
  4 Default dimming level | - | I
  5 Lamp failure | - | ?
  6 Lamp failure reason | - | I
  7 Control gear failure | - | ?
  8 Control gear failure reason | - | I
  9 Relay failure | - | ?
  10 Day burner | - | ?
  11 Cycling failure | - | ?
  12 Control gear communication failure | - | ?
  13 Scheduler ID | - | I | *
  14 Invalid scheduler | - | ?
  15 Lamp operating hours | - | F
  17 Lamp ON timestamp | - | T
  18 Lamp switch counter | - | I
  20 Control gear start counter | - | I
  21 Control gear temperature | - | F
  22 Control gear thermal derating | - | ?
  23 Control gear thermal derating counter | - | I
  25 Control gear thermal shutdown | - | ?
  26 Control gear thermal shutdown counter | - | I
  28 Output port | - | I
  29 Standby mode | - | ?
  30 Constant light output | - | ?
  31 Cleaning factor enabled | - | ?
  32 Cleaning period | - | I
  33 Initial lamp cleaning factor | - | I
  34 Lamp cleaning date | - | T
  35 Control type | - | I | *
  36 Nominal Lamp wattage | - | I
  37 Minimum dimming level | - | I
  38 Minimum lamp wattage | - | I
  39 Light color temperature command | - | I
  40 Actual light color temperature | - | I
  41 Virtual power output | - | I
  42 Voltage at max dim level | - | F
  43 Voltage at min dim level | - | F
  44 Light source voltage | - | F
  45 Light source current | - | F
  46 Light source active power | - | F
  47 Light source active energy | - | F
  48 Maximum light source current | - | F
  49 Default fade time | - | F
  50 Manual override start time | - | T
  51 Manual override end time | - | T
  52 Manual override fade | - | F
  53 Manual override default duration | - | I
  54 Manual override active | - | ?
  55 Default Light color temperature | - | I
  56 Driver operating hours | - | F
  58 Manufacturer GTIN | - | ?
  59 Manufacturer Serial Number | - | ?
  60 Firmware Version | - | ?
  61 DALI Version | - | ?
  62 Unit temperature | - | F
  63 Device capabilities | - | I
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3417 Luminaire asset | 1.0 | *
  1 Asset GTIN | - | ? | !
  2 Year of manufacture | - | I
  3 Week of manufacture | - | I
  4 Nominal light output | - | I
  5 Light distribution type | - | I
  6 Luminaire color | - | ?
  7 Nominal input power | - | F
  8 Power at minimum dim level | - | F
  9 Nominal max AC mains voltage | - | I
  10 Nominal min AC mains voltage | - | I
  11 CRI | - | I
  12 CCT value | - | I
  13 Luminaire identification | - | ?
  14 Luminaire identification number | - | ?
3418 Electrical monitor | 2.0 | *
  1 Supply voltage | - | F
  2 Supply current | - | F
  3 Frequency | - | F
  4 Active power | - | F
  5 Power factor | - | F
  6 Cumulated active energy | - | F
  8 Low power factor threshold | - | F
  9 Low power factor | - | ?
  10 Low power threshold | - | F
  11 Low power threshold at low dim level | - | F
  12 Low power | - | ?
  13 High power threshold | - | F
  14 High power threshold at low dim level | - | F
  15 High power | - | ?
  16 Low current threshold | - | F
  17 Low current | - | ?
  18 High current threshold | - | F
  19 High current | - | ?
  20 Low voltage threshold | - | F
  21 Low voltage | - | ?
  22 High voltage threshold | - | F
  23 High voltage | - | ?
  24 Critical inrush threshold | - | F
  25 Critical inrush current | - | ?
  26 Minimum inrush Current | - | F
  27 Maximum inrush Current | - | F
  28 Latest inrush Current | - | F
  29 Reactive power | - | F
  30 Reactive energy | - | F
  31 Low power threshold at custom dim level | - | F | *
  32 High power threshold at custom dim level | - | F | *
  33 Custom dim level min range | - | I | *
  34 Custom dim level max range | - | I | *
  35 Dimming level | - | I
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3419 Photocell | 1.1 | *
  1 ON lux level | - | F
  2 OFF lux level | - | F
  3 Photocell status | - | ?
  5518 Timestamp | - | T
  6050 Fractional Timestamp | - | F
3420 LED color light | 1.0 | *
  1 RGB value | - | ? | !
3421 Single-phase electrical meter | 2.0 | *
  1 Voltage | - | F | !
  2 Low voltage threshold | - | F
  3 Low voltage | - | ?
  4 High voltage threshold | - | F
  5 High voltage | - | ?
  6 Current | - | F | !
  7 Low current threshold | - | F
  8 Low current | - | ?
  9 High current threshold | - | F
  10 High current | - | ?
  11 Frequency | - | F
  12 Angle of I-U | - | F
  13 Instantaneous Power Factor | - | F | !
  14 Low power factor threshold | - | F
  15 Low power factor | - | ?
  16 Active power+ (QI+QIV) | - | F | !
  17 Active power- (QII+QIII) | - | F
  18 Reactive power+ (QI+QII) | - | F
  19 Reactive power- (QIII+QIV) | - | F
  20 Instantaneous Apparent Power import (+VA) | - | F
  21 Instantaneous Apparent Power export (-VA) | - | F
  22 Instantaneous Active Power (/+A/+/-A/) | - | F
  23 Instantaneous Net Active Power (/+A/-/-A/) | - | F
  24 Measurement period of Instantaneous value | - | F
  25 Active energy import (+A) Un | - | F | !
  26 Active energy export (-A) Un | - | F
  27 Active energy (/+A/+/-A/) Combined total | - | F
  28 Active energy (/+A/-/-A/) Combined total | - | F
  29 Reactive energy import (+R) Un | - | F
  30 Reactive energy export (-R) Un | - | F
  31 Reactive energy QI (+Ri) Un | - | F
  32 Reactive energy QII (+Rc) Un | - | F
  33 Reactive energy QIII (-Ri) Un | - | F
  34 Reactive energy QIV (-Rc) Un | - | F
  35 Apparent energy import Un | - | F
  36 Apparent energy export Un | - | F
  37 Number of power failures | - | F
  38 Number of long power failures | - | F
  39 Time threshold for long power failure | - | F
  40 Duration of last long power failure | - | F
  41 Threshold for voltage sag | - | F
  42 Time threshold for voltage sag | - | F
  43 Number of voltage sags | - | F
  44 Duration of last voltage sag | - | F
  45 Magnitude of last voltage sag | - | F
  46 Threshold for voltage swell | - | F
  47 Time threshold for voltage swell | - | F
  48 Number of voltage swells | - | F
  49 Duration of last voltage swell | - | F
  50 Magnitude of last voltage swell | - | F
  51 Threshold for missing voltage (voltage cut) | - | F
  52 Time threshold for voltage cut | - | F
  53 Voltage cut | - | ?
  54 CT Numerator Parameter | - | F
  55 CT Denominator Parameter | - | F
  56 VT Numerator Parameter | - | F
  57 VT Denominator Parameter | - | F
  58 Unexpected load | - | ?
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3423 Gas meter | 1.1 | *
  1 Cumulated gas volume | - | F | !
  3 Type of meter | - | ?
  4 Cumulated pulse value | - | I
  6 Pulse ratio | - | I
  7 Minimum flow rate | - | F
  8 Maximum flow rate | - | F
  9 Leak suspected | - | ?
  10 Leak detected | - | ?
  11 High temperature | - | ?
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3424 Water meter | 1.1 | *
  1 Cumulated water volume | - | F | !
  3 Type of meter | - | ?
  4 Cumulated pulse value | - | I
  6 Pulse ratio | - | I
  7 Minimum flow rate | - | F
  8 Maximum flow rate | - | F
  9 Leak suspected | - | ?
  10 Leak detected | - | ?
  11 Back flow detected | - | ?
  12 Blocked meter | - | ?
  13 Fraud detected | - | ?
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3425 Irrigation valve | 1.1 | *
  1 Default status | - | I
  2 Status | - | I
  3 Command | - | I
  4 Command in action | - | I
  5 Scheduler ID | - | I | *
  6 Invalid scheduler | - | ?
  5518 Timestamp | - | T
  6050 Fractional Timestamp | - | F
3426 Water quality sensor | 1.1 | *
  1 pH | - | F
  2 Chlorine | - | F
  3 Redox or ORP | - | F
  4 Total dissolved gas or TDG | - | F
  5 Dissolved oxygen | - | F
  6 Turbidity | - | F
  7 Conductivity | - | F
  8 Conductance | - | F
  9 Total suspended solids | - | F
  10 Total dissolved solids | - | F
  11 Salinity | - | F
  12 NO3 | - | F
  13 NH3 | - | F
  14 NH4 | - | F
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3427 Pressure monitoring sensor | 1.1 | *
  1 Pressure | - | F | !
  2 Sampling period | - | I
  3 Leak detected | - | ?
  4 Hammer effect detected | - | ?
  5 Minimum measured pressure value | - | F
  6 Maximum measured pressure value | - | F
  7 Minimum range pressure value | - | F
  8 Maximum range pressure value | - | F
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3428 Air quality | 2.0 | *
  1 PM10 | - | F
  2 PM10 24 hour average | - | F
  3 PM2.5 | - | F
  4 PM2.5 24 hour average | - | F
  5 PM1 | - | F
  6 PM1 24 hour average | - | F
  7 CO | - | F
  8 CO 8 hour average | - | F
  9 SO2 | - | F
  10 SO2 1 hour average | - | F
  11 SO2 24 hour average | - | F
  12 O3 | - | F
  13 O3 1 hour average | - | F
  14 O3 8 hour average | - | F
  15 NO2 | - | F
  16 NO2 1 hour average | - | F
  17 CO2 | - | F
  18 CO2 1 hour average | - | F
  19 NO | - | F
  20 NO 1 hour average | - | F
  21 H2S | - | F
  22 H2S 1 hour average | - | F
  23 VOC | - | F
  24 VOC 1 hour average | - | F
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3429 Tilt sensor | 1.1 | *
  1 Angle | - | F | !
  2 Minimum measured Angle | - | F
  3 Maximum measured angle | - | F
  5 Out of position threshold | - | F
  6 Out of position | - | ?
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3430 Global Navigation Satellite System | 2.0 |
  0 Fix timestamp | - | T | !
  1 Latitude | - | F | !
  2 Longitude | - | F | !
  3 Altitude | - | F
  4 Speed | - | I
  5 Heading | - | F
  6 Radius | - | F
  7 HDOP | - | F
  8 VDOP | - | F
  9 Estimated horizontal accuracy | - | F
  10 Estimated vertical accuracy | - | F
  11 Estimated speed accuracy | - | F
  12 Estimated heading accuracy | - | F
  13 Fix type | - | I
  14 Fix dimension | - | I
  15 Used satellites | - | I
  16 Visible satellites | - | I
  17 Satellite identifiers | - | ? | *
  18 Satellite identifiers | - | F | *
  19 Satellite azimuth | - | F | *
  20 Almanac | - | ?
  21 Ephemeris | - | ? | *
  22 Signal-to-noise ratio | - | F | *
  23 GNSS | - | I | *
  24 Hardware RTC | - | T
  25 Assisted GPS | - | ?
  26 Power command | - | ?
  27 PDOP | - | F
  28 Status | - | ? | !
  29 Expected latitude | - | F
  30 Expected longitude | - | F
  31 Expected altitude | - | F
  32 Expected location threshold | - | F
  33 Out of position | - | ?
  34 Assisted latitude | - | F
  35 Assisted longitude | - | F
  36 Assisted altitude | - | F
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3431 Parking Sensor | 1.1 | *
  1 Occupancy | - | ? | !
  2 Duration | - | I
  3 Daily Duration | - | I
  4 Forbidden parking detected | - | ?
  5 Type of Sensor | - | ?
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3432 Traffic Counter | 2.0 | *
  0 Vehicle type | - | I | *
  1 Cumulated number | - | I | *
  3 Cumulated number today | - | I | *!
  4 Measuring period 1 | - | I | *
  5 Measuring period 2 | - | I | *
  6 Measuring period 3 | - | I | *
  7 Cumulated number during last period 1 | - | I | *
  8 Cumulated number during last period 2 | - | I | *
  9 Cumulated number during last period 3 | - | I | *
  10 Average speed during last period 1 | - | I | *
  11 Average speed during last period 2 | - | I | *
  12 Average speed during last period 3 | - | I | *
  13 Average distance during last period 1 | - | I | *
  14 Average distance during last period 2 | - | I | *
  15 Average distance during last period 3 | - | I | *
  16 Speed limit threshold | - | I | *
  17 Percentage above speed limit | - | I | *
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3433 Noise sensor | 1.1 | *
  1 Gunshot detected | - | ?
  2 Abnormal noise detected | - | ?
  3 Sensor Value | - | F | !
  4 Minimum measured value | - | F
  5 Maximum measured value | - | F
  6 Minimum range value | - | F
  7 Maximum range value | - | F
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3434 People counter | 1.1 | *
  1 Actual number of persons | - | I | !
  2 Daily number of persons | - | I
  3 Cumulated number of persons | - | I
  5 Daily number of passages | - | I
  6 Cumulated number of passages | - | I
  8 Type of sensor | - | ?
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3435 Filling level | 2.0 | *
  1 Container height | - | I
  2 Actual filling percentage | - | F | !
  3 Actual filling level | - | I
  4 High threshold | - | F
  5 Container full | - | ? | !
  6 Low threshold | - | F
  7 Container empty | - | ? | !
  8 Average filling speed | - | F
  10 Forecast full date | - | T
  11 Forecast empty date | - | T
  12 Container out of location | - | ?
  13 Container out of position | - | ?
  14 Container width | - | I
  15 Container installation type | - | ?
  16 Container volume max | - | F
  17 Filling sensor position | - | ?
  18 Type of materials | - | ?
  19 Filling operations counter | - | I
  21 Cover open | - | ?
  22 Temperature alarm | - | ?
  23 Water infiltration alarm | - | ?
  5518 Timestamp | - | T
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
3436 Edge computing manager | 1.0 |
  1 Max number of scripts | - | I
  2 Number of free slots for scripts | - | I
  3 Max number of conditions | - | I
  4 Number of free slots for conditions | - | I
  5 Edge-computing capabilities | - | ?
3437 Edge computing script | 1.0 | *
  1 Name | - | ?
  2 Signature | - | ?
  3 Version | - | ?
  4 Script | - | ? | !
  5 Script format | - | ?
  6 Non supported script | - | ?
  7 Non authorized script | - | ?
3438 Edge computing time condition | 1.0 | *
  1 Execution time/day | - | ? | !
  2 Script identifier | - | ? | *!
  3 Non supported time condition | - | ?
3439 Edge computing generic condition | 1.0 | *
  1 Vendor condition | - | ?
  2 Script identifier | - | ? | *!
  3 Non supported time condition | - | ?
3441 LwM2M v1.0 Test Object | 1.0 | *
  4 Arguments List | - | ? | *
  110 String Value | - | ?
  120 Integer Value | - | I
  130 Float Value | - | F
  140 Boolean Value | - | ?
  150 Opaque Value | - | ?
  160 Time Value | - | T
  170 ObjLink Value | - | ?
  1110 Multiple String Value | - | ? | *
  1120 Multiple Integer Value | - | I | *
  1130 Multiple Float Value | - | F | *
  1140 Multiple Boolean Value | - | ? | *
  1150 Multiple Opaque Value | - | ? | *
  1160 Multiple Time Value | - | T | *
  1170 Multiple ObjLink Value | - | ? | *
3442 LwM2M v1.1 Test Object | 1.0 | *
  4 Arguments List | - | ? | *
  6 Resources to Send | - | ? | *
  110 String Value | - | ?
  120 Integer Value | - | I
  125 Unsigned Integer Value | - | I
  130 Float Value | - | F
  140 Boolean Value | - | ?
  150 Opaque Value | - | ?
  160 Time Value | - | T
  170 ObjLink Value | - | ?
  180 CoreLnk Value | - | ?
  1110 Multiple String Value | - | ? | *
  1120 Multiple Integer Value | - | I | *
  1125 Multiple Unsigned Integer Value | - | I | *
  1130 Multiple Float Value | - | F | *
  1140 Multiple Boolean Value | - | ? | *
  1150 Multiple Opaque Value | - | ? | *
  1160 Multiple Time Value | - | T | *
  1170 Multiple ObjLink Value | - | ? | *
  1180 Multiple CoreLnk Value | - | ? | *
3443 eSIM IoT | 1.0 |
  0 State | - | I | !
  1 EID | - | ? | !
  2 eIM message | - | ? | !
  3 IPA message | - | ? | !
10241 HostDeviceInfo | 1.0 | *
  5905 Host Device Manufacturer | - | ? | *!
  5906 Host Device Model Number | - | ? | *!
  5907 Host Device Unique ID | - | ? | *!
  5908 Host Device Software Version | - | ? | *!
10242 3-Phase Power Meter | 1.0 | *
  0 Manufacturer | - | ?
  1 Model Number | - | ?
  2 Serial Number | - | ?
  3 Description | - | ?
  4 Tension R | - | F | !
  5 Current R | - | F | !
  6 Active Power R | - | F
  7 Reactive Power R | - | F
  8 Inductive Reactive Power R | - | F
  9 Capacitive Reactive Power R | - | F
  10 Apparent Power R | - | F
  11 Power Factor R | - | F
  12 THD-V R | - | F
  13 THD-A R | - | F
  14 Tension S | - | F | !
  15 Current S | - | F | !
  16 Active Power S | - | F
  17 Reactive Power S | - | F
  18 Inductive Reactive Power S | - | F
  19 Capacitive Reactive Power S | - | F
  20 Apparent Power S | - | F
  21 Power Factor S | - | F
  22 THD-V S | - | F
  23 THD-A S | - | F
  24 Tension T | - | F | !
  25 Current T | - | F | !
  26 Active Power T | - | F
  27 Reactive Power T | - | F
  28 Inductive Reactive Power T | - | F
  29 Capacitive Reactive Power T | - | F
  30 Apparent Power T | - | F
  31 Power Factor T | - | F
  32 THD-V T | - | F
  33 THD-A T | - | F
  34 3-Phase Active Power | - | F
  35 3-Phase Reactive Power | - | F
  36 3-Phase Inductive Reactive Power | - | F
  37 3-Phase Capacitive Reactive Power | - | F
  38 3-Phase Apparent Power | - | F
  39 3-Phase Power Factor | - | F
  40 3-Phase phi cosine | - | F
  41 Active Energy | - | F
  42 Reactive Energy | - | F
  43 Inductive Reactive Energy | - | F
  44 Capacitive Reactive Energy | - | F
  45 Apparent Energy | - | F
  46 Tension R-S | - | F
  47 Tension S-T | - | F
  48 Tension T-R | - | F
  49 Frequency | - | F
  50 Neutral Current | - | F
10243 Single-Phase Power Meter | 2.0 | *
  0 Manufacturer | - | ?
  1 Model Number | - | ?
  2 Serial Number | - | ?
  3 Description | - | ?
  4 Tension | - | F | !
  5 Current | - | F | !
  6 Active Power | - | F
  7 Reactive Power | - | F
  8 Inductive Reactive Power | - | F
  9 Capacitive Reactive Power | - | F
  10 Apparent Power | - | F
  11 Power Factor | - | F
  12 THD-V | - | F
  13 THD-A | - | F
  14 Active Energy | - | F
  15 Reactive Energy | - | F
  16 Apparent Energy | - | F
  17 Frequency | - | F
10244 VehicleControlUnit | 1.0 |
  0 Vehicle UI State | - | I | !
  1 Vehicle Speed | - | I | !
  2 Vehicle Shift Status | - | I | !
  3 Vehicle AP Position | - | I | !
  4 Vehicle Power | - | F
  5 Vehicle Drive Energy | - | F
  6 Vehicle Energy Consumption Efficiency | - | F
  7 Vehicle Estimated Mileage | - | I
  8 Vehicle Charge Cable Status | - | ? | !
  9 Vehicle Charge Status | - | I | !
  10 Vehicle Charge Voltage | - | F | !
  11 Vehicle Charge Current | - | F | !
  12 Vehicle Charge Remaining Time | - | I | !
  13 Battery Pack Voltage | - | F | !
  14 Battery Pack Current | - | F | !
  15 Battery Pack Remaining Capacity | - | I | !
  16 Battery Pack SOC | - | I | !
  17 Battery Pack SOH | - | I | !
  18 Battery Cell MinVolt | - | I | !
  19 Battery Cell MaxVolt | - | I | !
  20 Battery Module MinTemp | - | I | !
  21 Battery Module MaxTemp | - | I | !
  22 Battery Connection Status | - | ? | !
  24 MCU Voltage | - | I | !
  25 MCU Temperature | - | I | !
  26 Motor Speed | - | I | !
  27 Motor Temperature | - | I | !
  28 Motor OT Warning | - | ?
  29 MCU OT Warning | - | ?
  30 Battery Pack OT Warning | - | ?
  31 MCU fault | - | ?
  32 Motor Error | - | ?
10245 Relay Management | 1.0 |
  0 eNB Availability | - | ? | !
  1 GPS Status | - | ? | !
  2 Orientation | - | I
  3 eNB EARFCN | - | I | !
  4 eNB Bandwidth | - | I | !
  5 Backhaul Primary EARFCN | - | I | !
  6 Backhaul Secondary EARFCN | - | I | *!
  7 Cumulative Measurement Window | - | I | !
  8 eNB ECI | - | I | !
  9 eNB Status | - | ? | !
  11 eNB Maximum Power | - | I | !
  12 Backhaul Primary q-OffsetFreq | - | I | !
  13 Backhaul Secondary q-OffsetFreq | - | I | *!
  14 Neighbour CrowdBox EARFCN | - | I | *!
  15 Neighbour CrowdBox q-OffsetFreq | - | I | *!
  16 Serving Macro eNB cellIndividualOffset | - | I | !
10246 CrowdBox Measurements | 1.0 |
  0 Serving Cell ID | - | I | !
  1 Serving Cell RSRP | - | I | !
  2 Serving Cell RSRQ | - | I | !
  3 Serving Cell SINR | - | I | !
  4 Cumulative Backhaul Timing Advance | - | I
  5 Neighbour Cell Report | - | ? | *!
10247 Neighbour Cell Report | 1.0 | *
  0 Neighbour PCI | - | I | !
  1 Neighbour Cell ID | - | I
  2 Neighbour Cell Rank | - | I | !
  3 Neighbour Cell RSRP | - | I | !
  4 Neighbour Cell RSRQ | - | I | !
10248 Connected UE Measurements | 1.0 |
  0 Number of Connected Users | - | I | !
  1 Cumulative Number of Unique Users | - | I | !
  2 Connected UE Report | - | ? | *!
10249 Connected UE Report | 1.0 | *
  0 Connected User MMEC | - | I | !
  1 Connected User M-TMSI | - | I | !
  2 Serving Cell (CrowdBox) eNB RSRP | - | I | !
  3 Serving Cell (CrowdBox) eNB RSRQ | - | I | !
  4 Cumulative Timing Advance per Connected User | - | I
  5 Last downlink CQI report per Connected User | - | I | !
  6 Cumulative Downlink Throughput per Connected User | - | I | !
  7 Cumulative Uplink Throughput per Connected User | - | I | !
  8 Neighbour Cell Report | - | ? | *!
10250 App Data Container | 1.0 |
  0 UL data | - | ? | !
  1 DL data | - | ? | !
10251 AT Command | 1.0 | *
  0 Command | - | ? | !
  1 Response | - | ? | *!
  2 Status | - | ? | *!
  3 Timeout | - | I
10253 Confidential Data | 1.0 |
  0 Public Key | - | ? | !
  1 Application Data | - | ? | !
10254 Current Loop Input | 1.0 | *
  0 Current Loop Input Current Value | - | F | !
  5601 Min Measured Value | - | F
  5602 Max Measured Value | - | F
  5603 Min Range Value | - | F
  5604 Max Range Value | - | F
  5701 Sensor Units | - | ?
  5750 Application Type | - | ?
  5821 Current Calibration | - | F
10256 ECID-Signal Measurement Information | 1.0 | *
  0 physCellId | - | I | !
  1 ECGI | - | I
  2 arfcnEUTRA | - | I | !
  3 rsrp-Result | - | I | !
  4 rsrq-Result | - | I
  5 ue-RxTxTimeDiff | - | I
10257 Heat / Cooling meter | 1.0 | *
  0 Manufacturer | - | ?
  1 Model Number | - | ?
  2 Serial Number | - | ?
  3 Description | - | ?
  11 Error code | - | I | *
  12 Flow temperature | - | F
  13 Max Measured flow temperature | - | F
  14 Return temperature | - | F
  15 Max Measured return temperature | - | F
  16 Temperature difference | - | F
  17 Flow rate | - | F
  18 Max Measured flow | - | F
  20 Flow volume | - | F
  21 Return volume | - | F
  5506 Current Time | - | T
  5800 Instantaneous active power | - | F
  5802 Max Measured active power | - | F | *!
  5805 Cumulative active power | - | F
10258 Current Loop Output | 1.0 | *
  0 Current Loop Output Current Value | - | F | !
  5603 Min Range Value | - | F
  5604 Max Range Value | - | F
  5701 Sensor Units | - | ?
  5750 Application Type | - | ?
  5821 Current Calibration | - | F
10259 System Log | 1.0 | *
  0 Name | - | ? | !
  1 Read All | - | ? | !
  2 Read | - | ?
  3 Enabled | - | ?
  4 Capture Level | - | I
10260 RDB | 2.0 | *
  0 Key | - | ? | !
  1 Value | - | ?
  2 Exists | - | ?
  3 Persistent | - | ?
10262 Interval Data Delivery | 1.0 | *
  0 Name | - | ? | !
  1 Interval Data Links | - | ? | *!
  2 Latest Payload | - | ? | *!
  3 Schedule | - | ?
10263 Event Data Delivery | 1.0 | *
  0 Name | - | ? | !
  1 Event Data Links | - | ? | *!
  2 Latest Eventlog | - | ? | *!
  3 Schedule | - | ? | !
10264 Delivery Schedule | 1.0 | *
  0 Schedule Start Time | - | I | !
  1 Schedule UTC Offset | - | ? | !
  2 Delivery Frequency | - | I | !
  3 Randomised Delivery Window | - | I
  4 Number of Retries | - | I
  5 Retry Period | - | I
10265 Leakage Detection Configuration | 1.0 |
  0 Sample Times | - | I | *!
  1 Sample UTC Offset | - | ?
  2 Detection Mode | - | I | !
  3 Top Frequency Count | - | I
  4 Frequency Thresholds | - | I | *
  5 Frequency Values | - | I | *
  7 Firmware Version | - | ? | !
10266 Water Flow Readings | 1.0 | *
  6000 Interval Period | - | I | !
  6001 Interval Start Offset | - | I
  6002 Interval UTC Offset | - | ?
  6003 Interval Collection Start Time | - | T | !
  6004 Oldest Recorded Interval | - | T | !
  6005 Last Delivered Interval | - | T
  6006 Latest Recorded Interval | - | T | !
  6007 Interval Delivery Midnight Aligned | - | ? | !
  6009 Interval Historical Read Payload | - | ?
  6028 Status | - | I
  6029 Latest Payload | - | ? | !
10267 Daily Maximum Flow Rate Readings | 1.0 | *
  6000 Interval Period | - | I | !
  6001 Interval Start Offset | - | I
  6002 Interval UTC Offset | - | ?
  6003 Interval Collection Start Time | - | T | !
  6004 Oldest Recorded Interval | - | T | !
  6005 Last Delivered Interval | - | T
  6006 Latest Recorded Interval | - | T | !
  6007 Interval Delivery Midnight Aligned | - | ? | !
  6009 Interval Historical Read Payload | - | ?
  6028 Status | - | I
  6029 Latest Payload | - | ? | !
10268 Temperature Readings | 1.0 | *
  6000 Interval Period | - | I | !
  6001 Interval Start Offset | - | I
  6002 Interval UTC Offset | - | ?
  6003 Interval Collection Start Time | - | T | !
  6004 Oldest Recorded Interval | - | T | !
  6005 Last Delivered Interval | - | T
  6006 Latest Recorded Interval | - | T | !
  6007 Interval Delivery Midnight Aligned | - | ? | !
  6009 Interval Historical Read Payload | - | ?
  6028 Status | - | I
  6029 Latest Payload | - | ? | !
10269 Pressure Readings | 1.0 | *
  6000 Interval Period | - | I | !
  6001 Interval Start Offset | - | I
  6002 Interval UTC Offset | - | ?
  6003 Interval Collection Start Time | - | T | !
  6004 Oldest Recorded Interval | - | T | !
  6005 Last Delivered Interval | - | T
  6006 Latest Recorded Interval | - | T | !
  6007 Interval Delivery Midnight Aligned | - | ? | !
  6009 Interval Historical Read Payload | - | ?
  6028 Status | - | I
  6029 Latest Payload | - | ? | !
10270 Battery Level Readings | 1.0 | *
  6000 Interval Period | - | I | !
  6001 Interval Start Offset | - | I
  6002 Interval UTC Offset | - | ?
  6003 Interval Collection Start Time | - | T | !
  6004 Oldest Recorded Interval | - | T | !
  6005 Last Delivered Interval | - | T
  6006 Latest Recorded Interval | - | T | !
  6007 Interval Delivery Midnight Aligned | - | ? | !
  6009 Interval Historical Read Payload | - | ?
  6028 Status | - | I
  6029 Latest Payload | - | ? | !
10271 Communications Activity Time Readings | 1.0 | *
  6000 Interval Period | - | I | !
  6001 Interval Start Offset | - | I
  6002 Interval UTC Offset | - | ?
  6003 Interval Collection Start Time | - | T | !
  6004 Oldest Recorded Interval | - | T | !
  6005 Last Delivered Interval | - | T
  6006 Latest Recorded Interval | - | T | !
  6007 Interval Delivery Midnight Aligned | - | ? | !
  6009 Interval Historical Read Payload | - | ?
  6028 Status | - | I
  6029 Latest Payload | - | ? | !
10272 Water Meter Customer Leakage Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10273 Water Meter Reverse Flow Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10274 Water Meter Empty Pipe Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10275 Water Meter Tamper Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10276 Water Meter High Pressure Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10277 Water Meter Low Pressure Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10278 High Temperature Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10279 Low Temperature Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10280 Water Network Leak Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10281 Low Battery Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10282 Daughter Board Failure Alarm | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10283 Device Reboot Event | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10284 Time Synchronisation Event | 1.0 | *
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
10285 Presence Alarm | 1.0 | *
  5501 Digital Input Counter | - | I
  5750 Application Type | - | ?
  5751 Sensor Type | - | ?
  5903 Busy to Clear delay | - | I
  5904 Clear to Busy delay | - | I
  6011 Event Type | - | I | !
  6012 Alarm Realtime | - | ? | !
  6013 Alarm State | - | ?
  6014 Alarm Set Threshold | - | F
  6015 Alarm Set Operator | - | I
  6016 Alarm Clear Threshold | - | F
  6017 Alarm Clear Operator | - | I
  6018 Alarm Maximum Event Count | - | I
  6019 Alarm Maximum Event Period | - | I
  6020 Latest Delivered Event Time | - | T
  6021 Latest Recorded Event Time | - | T | !
  6023 Alarm Auto Clear | - | ?
  6024 Event Code | - | I | !
  6025 Latest Payload | - | ? | !
  6040 Sample Frequency | - | F
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6057 Averaging Time Period | - | F | *
10286 App Fota Container | 1.0 |
  0 UL data | - | ? | !
  1 DL data | - | ? | !
10290 Voltage Logging | 1.0 | *
  6000 Interval Period | - | I | !
  6001 Interval Start Offset | - | I
  6002 Interval UTC Offset | - | ?
  6003 Interval Collection Start Time | - | T | !
  6004 Oldest Recorded Interval | - | T | !
  6005 Last Delivered Interval | - | T
  6006 Latest Recorded Interval | - | T | !
  6007 Interval Delivery Midnight Aligned | - | ? | !
  6009 Interval Historical Read Payload | - | ?
  6028 Status | - | I
  6029 Latest Payload | - | ? | !
10291 Voltage Transient | 1.0 | *
  6000 Interval Period | - | I | !
  6001 Interval Start Offset | - | I | !
  6002 Interval UTC Offset | - | ?
  6003 Interval Collection Start Time | - | T | !
  6004 Oldest Recorded Interval | - | T | !
  6005 Last Delivered Interval | - | T | !
  6006 Latest Recorded Interval | - | T | !
  6007 Interval Delivery Midnight Aligned | - | ? | !
  6009 Interval Historical Read Payload | - | ?
  6028 Status | - | I
  6029 Latest Payload | - | ? | !
  6040 Sample Frequency | - | F | !
10292 Pressure Transient | 1.0 | *
  6000 Interval Period | - | I | !
  6001 Interval Start Offset | - | I | !
  6002 Interval UTC Offset | - | ?
  6003 Interval Collection Start Time | - | T | !
  6004 Oldest Recorded Interval | - | T | !
  6005 Last Delivered Interval | - | T | !
  6006 Latest Recorded Interval | - | T | !
  6007 Interval Delivery Midnight Aligned | - | ? | !
  6009 Interval Historical Read Payload | - | ?
  6028 Status | - | I
  6029 Latest Payload | - | ? | !
  6040 Sample Frequency | - | F | !
10299 HostDevice | 1.0 |
  0 Manufacturer | - | ? | !
  1 Model | - | ? | !
  2 UniqueID | - | ? | !
  3 FirmwareVersion | - | ? | !
  4 SoftwareVersion | - | ?
  5 HardwareVersion | - | ?
  6 DateStamp | - | ?
10300 LWM2M Meta Object | 1.0 | *
  0 ObjectID | - | I | !
  1 ObjectURN | - | ? | !
  2 URI | - | ? | *!
  3 SHAType | - | I
  4 ChecksumValue | - | ?
  4000 ObjectInstanceHandle | - | ?
10308 AT&T Connectivity Extension | 2.0 | *
  1 ICCID | - | ? | !
  2 IMSI | - | ? | !
  3 MSISDN | - | ? | !
  4 APN Retries | - | I | !
  5 APN Retry Period | - | I | !
  6 APN Retry Back-Off Period | - | I | !
  7 SINR | - | I | !
  8 SRXLEV | - | I | !
  9 CE_LEVEL | - | I | !
10309 Shareparkinglot | 1.0 | *
  1 LockID | - | I | !
  2 LockType | - | ?
  3 LightSwitchState | - | ? | *
  4 RSSI | - | I | *!
  5 BatteryCapacity | - | F | *
  6 DataUpTime | - | T | *!
  5514 Latitude | - | ? | *
  5515 Longitude | - | ? | *
10311 Solar Radiation | 1.1 | *
  5518 Timestamp | - | T
  5601 Min Measured Value | - | F
  5602 Max Measured Value | - | F
  5603 Min Range Value | - | F
  5604 Max Range Value | - | F
  5700 Sensor Value | - | F | !
  5701 Sensor Units | - | ?
  5750 Application Type | - | ?
  5821 Current Calibration | - | F
  6042 Measurement Quality Indicator | - | I
  6049 Measurement Quality Level | - | I
  6050 Fractional Timestamp | - | F
10313 Gas Readings | 1.0 | *
  6000 Interval Period | - | I | !
  6001 Interval Start Offset | - | I
  6002 Interval UTC Offset | - | ?
  6003 Interval Collection Start Time | - | T | !
  6004 Oldest Recorded Interval | - | T | !
  6005 Last Delivered Interval | - | T
  6006 Latest Recorded Interval | - | T | !
  6007 Interval Delivery Midnight Aligned | - | ? | !
  6009 Interval Historical Read Payload | - | ?
  6028 Status | - | I
  6029 Latest Payload | - | ? | !
  6041 Sensor Warm-up Time | - | I
10314 Particulates | 1.0 | *
  5601 Min Measured Value | - | F
  5602 Max Measured Value | - | F
  5604 Max Range Value | - | F
  5700 Sensor Value | - | F | !
  5701 Sensor Units | - | ?
  5750 Application Type | - | ?
  6043 Measured Particle Size | - | F | !
10315 Robot | 1.0 |
  1 Robot ID | - | ? | !
  2 Robot Type | - | ? | !
  3 Robot Serial Number | - | ? | !
  4 Charging | - | ? | !
  5 Positioning | - | ?
  6 Location | - | ?
  51 Battery Level | - | I | !
  5852 On time | - | I | !
10316 RCU | 1.0 |
  1 RCU ID | - | ? | !
  2 RCU Serial Number | - | ? | !
  3 RCU Software Version | - | ? | !
  4 RCU OS Version | - | ? | !
  5 RCU CPU Info | - | ? | !
  6 RCU RAM Info | - | ? | !
  7 RCU ROM Size | - | I | !
  8 RCU ROM Available Size | - | I | !
  9 SD Storage | - | I | !
  10 SD Available Storage | - | I | !
  11 RCU GPS Location | - | ?
  12 Wi-Fi MAC | - | ?
  13 Bluetooth MAC | - | ?
  14 Camera Info | - | ?
  51 Battery Level | - | I | !
  60 Downloaded APP Packages | - | ? | *!
  100 RCU APPs | - | ? | *
  5852 On time | - | I | !
10318 RCU PM | 1.0 |
  1 CPU Usage | - | I | !
  2 Max CPU Usage | - | I | !
  3 Memory Usage | - | I | !
  4 Storage Usage | - | I | !
  51 Battery Level | - | I | !
  52 Network Bandwidth | - | F | !
  53 Mobile Signal | - | I | !
  54 GPS Signal | - | I
  55 Wi-Fi Signal | - | I | !
  56 UpLink Rate | - | F | !
  57 DownLink Rate | - | F | !
  58 Packet Loss Rate | - | I | !
  59 Network Latency | - | I | !
  300 Battery Temperature | - | F | !
10319 RCU Control | 1.0 |
  1 RCU Diagnostics Mode | - | ?
  2 RCU Log Recording | - | ?
10320 CCU | 1.0 | *
  1 CCU ID | - | ? | !
  2 CCU FM Version | - | ? | !
  3 CCU SW Version | - | ? | !
  4 CCU Memory Size | - | I | !
  5 CCU Storage | - | I | !
  6 CCU Available Storage | - | I | !
  100 Downloaded APP Packages | - | ? | *
  101 CCU APPs | - | ? | *
  5852 On time | - | I | !
10322 CCU PM | 1.0 | *
  1 CPU Usage | - | I
  2 Max CPU Usage | - | I
  3 Memory Usage | - | I
  4 Storage Usage | - | I
10324 ECU | 1.0 | *
  1 ECU ID | - | ? | !
  2 ECU FM Version | - | ? | !
  5852 On time | - | I | !
10326 Robot PM | 1.0 |
  51 Battery Level | - | I | !
  300 Battery Temperature | - | I | !
  301 Temperature | - | F
  302 Humidity | - | I
  303 PM2.5 | - | I
  304 Smog | - | F
  305 CO | - | F
  306 CO2 | - | F
  307 PM10 | - | I
  601 Speed | - | F
  602 Water Used | - | I
  603 Dust Box Used | - | I
  604 Obstacle Distance | - | I
  607 Robot Temperate | - | F
  608 Confidence Index | - | I
  1101 Data Traffic Used | - | F | !
  1102 Images Handled | - | I
  1103 HARI S-Voice Requests | - | I
  1104 HARI S-Vision Requests | - | I
  1105 HARI S-Motion Requests | - | I
  1106 HARI S-Map Requests | - | I
  1107 Successful HARI S-Voice Requests | - | I
  1108 Successful HARI S-Vision Requests | - | I
  1109 Successful HARI S-Motion Requests | - | I
  1110 Successful HARI S-Map Requests | - | I
  1111 Questions Answered | - | I
  1112 Unknown Questions | - | I
  1113 Mileage | - | I
  1114 Cleaned Times | - | I
  1115 Cleaned Area | - | F
  1116 Cleaned Time | - | I
  1117 ASR Recognized | - | I
  1118 Incorrect ASR Recognitions | - | I
  1119 Tried TTS Texts | - | I
  1120 Successful TTS Texts | - | I
  1121 ASR Recognized (CH) | - | I
  1122 Tried TTS Texts (CH) | - | I
  1123 Successful TTS Texts (CH) | - | I
  1124 ASR Recognized (EN) | - | I
  1125 Tried TTS Texts (EN) | - | I
  1126 Successful TTS Texts (EN) | - | I
  1127 ASR Recognized (ES) | - | I
  1128 Tried TTS Texts (ES) | - | I
  1129 Successful TTS Texts (ES) | - | I
  1130 ASR Recognized (JA) | - | I
  1131 Tried TTS Texts (JA) | - | I
  1132 Successful TTS Texts (JA) | - | I
  1133 ASR Recognized (SCCH) | - | I
  1134 Tried TTS Texts (SCCH) | - | I
  1135 Successful TTS Texts (SCCH) | - | I
  1136 ASR Recognized (GDCH) | - | I
  1137 Tried TTS Texts (GDCH) | - | I
  1138 Successful TTS Texts (GDCH) | - | I
  1139 ASR Recognized (TCH) | - | I
  1140 Tried TTS Texts (TCH) | - | I
  1141 Successful TTS Texts (TCH) | - | I
  1501 Objects Recognition Tries | - | I
  1502 Successful Object Recognition | - | I
  1503 Face Recognition Tries | - | I
  1504 Successful Face Recognitions | - | I
  1505 Vehicle Plate Recognition Tries | - | I
  1506 Successful Vehicle Plate Recognitions | - | I
  1507 Tasks Assigned | - | I | !
  1508 Successful Tasks Executed | - | I | !
  1509 Images Uploaded | - | I
  1510 Videos Uploaded | - | I
  1511 Images Matted | - | I
10327 Compressor | 1.0 | *
  1 Compressor Name | - | ? | !
  50 Compressor Status | - | ? | !
10328 SCA PM | 1.0 | *
  1 SCA Name | - | ? | !
  605 SCA Current | - | F | !
  606 SCA Temperate | - | F | !
10329 Robot Control | 1.0 |
  1 Collision Detection | - | ?
  2 Drop Detection | - | ?
  3 Automatic Navigation | - | ?
10330 Network Info | 1.0 |
  1 IMEI | - | ? | !
  2 IMSI | - | ? | !
  3 Radio Connectivity | - | ? | !
  4 GPS Signal Status | - | I
  5 VBN Connection Status | - | ? | !
  6 HARI Connection Status | - | ? | !
  7 CCU Connection Status | - | ? | *
10331 Robot Service Info | 1.0 |
  1 Current status | - | ? | !
  2 Services Providing | - | ?
  3 Advertising Contents | - | ? | !
  4 Current Language | - | ?
  5 Volume | - | ?
  6 Moving Status | - | I
  7 Moving Speed | - | F
  8 Location | - | ?
  9 Map List | - | ?
  10 Planned Route list | - | ?
  11 Current Route | - | ?
  12 Route to-do List | - | ?
  13 Synchronous Whistle | - | ? | !
  14 Current Actions | - | ?
  15 ASR Type | - | I
  50 TTS Vendor | - | ?
  51 TTS Speaker | - | ?
10332 Robot Selfcheck Info | 1.0 | *
  1 Entity | - | ? | !
  2 Status | - | I | !
10333 PM Threshold | 1.0 |
  1 Entity | - | ? | *!
  2 Performance Type | - | ? | *!
  3 High Threshold | - | F | *!
  4 Low Threshold | - | F | *!
10334 Robot Alarm | 1.0 | *
  1 Entity | - | ? | !
  2 Probable Cause | - | I | !
  3 Specific Problem | - | ? | !
  4 Alarm Type | - | I | !
  5 Severity | - | I | !
  6 Report Time | - | T | !
  7 Sequence No | - | I | !
  8 Additional Info | - | ?
10335 Event | 1.0 | *
  1 Entity | - | ? | !
  2 Event Type | - | I | !
  3 Time | - | T | !
  4 Sequence No | - | I | !
  5 Additional Info | - | ?
10336 MIC | 1.0 |
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10337 SCA | 1.0 | *
  1 SCA Name | - | ? | !
  100 SCA Motion Status | - | I
10338 Speaker | 1.0 |
  1 Speaker status | - | ? | !
  2 Voice Warning | - | ? | !
10339 Tripod Head | 1.0 |
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10340 Camera | 1.0 | *
  1 Camera Name | - | ? | !
  2 Camera Status | - | ? | !
  3 Connection Status | - | ? | !
  4 Working Status | - | I | !
  5 Local Recording | - | ? | !
  6 Image Matting | - | ? | !
  7 Camera Snapshot | - | ? | !
  8 Camera Recording | - | ? | !
10341 GPS | 1.0 |
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10342 IMU | 1.0 |
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10343 LiDAR | 1.0 | *
  1 LiDAR Name | - | ? | !
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10344 Arm | 1.0 | *
  1 Arm Name | - | ? | !
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10345 Leg | 1.0 | *
  1 Leg Name | - | ? | !
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10346 Servomotor | 1.0 | *
  1 Servomotor Name | - | ? | !
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10347 Screen | 1.0 |
  1 Screen Status | - | ? | !
  2 Startup Page | - | ?
  3 Current Displaying Page or Current Screen Play List | - | ?
10348 Wheel | 1.0 | *
  1 Wheel Name | - | ? | !
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10349 Chassis | 1.0 |
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10350 Light | 1.0 | *
  1 Light Name | - | ? | !
  2 Light Status | - | ? | !
10351 Door | 1.0 | *
  1 Door Name | - | ? | !
  50 Door Status | - | ? | !
10352 Thermal Imager | 1.0 |
  1 Highest Temperature | - | F | !
  2 Lowest Temperature | - | F | !
  3 Average Temperature | - | F | !
10353 Warning Light | 1.0 |
  1 Light Status | - | ? | !
  2 Light Warning | - | ? | !
10354 APP | 1.0 | *
  1 APP Name | - | ? | !
  2 APP Version | - | ? | !
  3 APP Build No | - | ?
  4 APP Patch No | - | ?
  5 Package URI | - | ?
  6 Vendor Name | - | ?
  7 Installation Target | - | ? | !
  8 APP Status | - | I | !
10355 General Info | 1.0 |
  100 Robot General Info | - | ? | !
  101 RCU General Info | - | ? | !
  102 CCU General Info | - | ? | *
  103 ECU General Info | - | ? | *
10356 Service Info | 1.0 |
  100 Robot Service Info | - | ? | !
  101 SCA Info | - | ? | *
  102 Speaker Info | - | ?
  103 Camera Info | - | ? | *
  104 Screen Info | - | ?
  105 Light Info | - | ? | *
  106 Warning Light Info | - | ?
  107 Door Info | - | ? | *
  108 Thermal Imager Info | - | ?
  109 Compressor Info | - | ? | *
  110 Lock Info | - | ? | *
  111 Collision Sensor Info | - | ? | *
  112 Drop Sensor Info | - | ? | *
10357 PM | 1.0 |
  100 Robot PM | - | ? | !
  101 RCU PM | - | ? | !
  102 CCU PM | - | ? | *
  103 SCA PM | - | ? | *
10358 Fan PM | 1.0 | *
  1 Fan Name | - | ? | !
  609 Fan Speed | - | I
10359 Lock | 1.0 | *
  1 Lock Name | - | ? | !
  50 Lock Status | - | ?
10360 Ultrasonic Sensor | 1.0 | *
  1 Name | - | ? | !
  50 Status | - | I | !
10361 Collision Sensor | 1.0 | *
  1 Name | - | ? | !
  50 Status | - | I | !
  51 Collision Detection | - | ?
10362 Drop Sensor | 1.0 | *
  1 Name | - | ? | !
  50 Status | - | I | !
  51 Drop Detection | - | ?
10363 Temperature Sensor | 1.0 |
  50 Status | - | I | !
10364 Humidity Sensor | 1.0 |
  50 Status | - | I | !
10365 Gas-Dust Sensor | 1.0 |
  50 Status | - | I | !
10366 Fan | 1.0 | *
  1 Fan Name | - | ? | !
10368 SpringMotor | 1.0 | *
  1 SpringMotor Name | - | ? | !
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10369 MCU | 1.0 |
  5905 Host Device Manufacturer | - | ?
  5906 Host Device Model Number | - | ?
  5907 Host Device Unique ID | - | ?
10371 Reboot Status | 1.0 |
  0 Reboot State | - | I | !
  1 Reboot Error Message | - | ? | !
  2 Reset Factory State | - | I
  3 Reset Factory Error Message | - | ?
10374 Modbus Connection | 1.0 | *
  0 Address | - | ? | !
  1 Physical Layer Type | - | I | !
  2 Enable | - | ? | !
  3 Baudrate | - | I
  4 Stop Bits | - | I
  5 Parity | - | I
  6 Hardware Control Flow Mode | - | I
  7 Available RTU Ports | - | ? | *
  8 State | - | I | !
10375 Modbus Register Cluster | 1.0 | *
  0 Connection | - | ? | !
  1 Register Type | - | I | !
  2 Unit ID | - | I | !
  3 Starting Register Address | - | I | !
  4 Quantity of Registers | - | I
  5 Values | - | I | *!
  6 Minimum Measured Values | - | I | *
  7 Maximum Measured Values | - | I | *
10376 Periodic Activity | 1.0 | *
  0 Activity Name | - | ? | !
  1 Activity Description | - | ? | !
  2 Activity Settings | - | ?
  3 Start Mask | - | ? | !
  4 Periodic Interval | - | I | !
  5 Run Period | - | I
  6 Record | - | ?
  7 Record Head Index | - | I
  8 Record Tail Index | - | I
  9 Record Read Index | - | I
  10 Record Dispatch Start Mask | - | ?
  11 Record Dispatch Interval | - | I
10377 Data Monitoring | 1.0 | *
  0 Monitoring Name | - | ? | !
  1 Monitoring Description | - | ? | !
  2 Monitoring Settings | - | ?
  3 Data | - | ? | !
  4 Data Sampling Start Mask | - | ?
  5 Data Sampling Interval | - | I
  6 Data Sampling Run Period | - | I
  7 Reference A | - | ? | !
  8 Comparison A | - | I | !
  9 Reference B | - | ?
  10 Comparison B | - | I
  11 Reference C | - | ?
  12 Comparison C | - | I
  13 Monitoring Results | - | ? | !
10378 Edge Application Server Configuration | 1.0 | *
  0 Application Client ID | - | ? | !
  1 EAS ID | - | ? | *!
  2 EAS Endpoint | - | ? | *!
  3 Type | - | I | *
10479 Cellular Network and Bearer Control | 1.0 | *
  0 PLMN Name | - | ? | !
  1 MCC | - | ? | !
  2 MNC | - | ? | !
  3 Network Bearer | - | I | !
  4 Currently In Use | - | ? | !
  5 Radio Signal Strength | - | I | !
  6 Link Quality | - | I | !
  7 SignalSNR | - | I
  8 Coverage Enhancement Level | - | I
  11 Device Supports Manual Network Selection | - | ?
  12 Network Manually Selected | - | ?
  13 Device Supports Manual Bearer Selection | - | ?
  14 Bearer Manually Selected | - | ?
18830 MQTT Broker | 1.0 | *
  0 URI | - | ? | !
  1 Client Identifier | - | ? | !
  2 Clean Session | - | ? | !
  3 Keep Alive | - | I | !
  4 User Name | - | ?
  5 Password | - | ?
  6 Security Mode | - | I | !
  7 Public Key or Identity | - | ?
  8 MQTT Broker Public Key | - | ?
  9 Secret Key | - | ?
  10 Certificate Usage | - | I
18831 MQTT Publication | 1.0 | *
  0 Source | - | ? | !
  1 Broker | - | ? | !
  2 Topic | - | ? | !
  3 QoS | - | I | !
  4 Retain | - | ? | !
  5 Active | - | ?
  6 Encoding | - | I
"""
