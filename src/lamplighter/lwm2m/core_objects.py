"""The objects of LwM2M itself: OMA LwM2M Core 1.1 appendix E; Software Management 1.0; the vendor's own, as seen on the wire."""

from __future__ import annotations

TABLE = """
0 LwM2M Security | 1.1 | *!
  0 LwM2M Server URI | - | S | !
  1 Bootstrap-Server | - | B | !
  2 Security Mode | - | I | !
  3 Public Key or Identity | - | O | !
  4 Server Public Key | - | O | !
  5 Secret Key | - | O | !
  6 SMS Security Mode | - | I
  7 SMS Binding Key Parameters | - | O
  8 SMS Binding Secret Keys | - | O
  9 LwM2M Server SMS Number | - | S
  10 Short Server ID | - | I
  11 Client Hold Off Time | - | I | | s
  12 Bootstrap-Server Account Timeout | - | I | | s
  13 Matching Type | - | U
  14 SNI | - | S
  15 Certificate Usage | - | U
  16 DTLS/TLS Ciphersuite | - | U | *
  17 OSCORE Security Mode | - | L
1 LwM2M Server | 1.1 | *!
  0 Short Server ID | R | I | !
  1 Lifetime | RW | I | ! | s
  2 Default Minimum Period | RW | I | | s
  3 Default Maximum Period | RW | I | | s
  4 Disable | E | -
  5 Disable Timeout | RW | I | | s
  6 Notification Storing When Disabled or Offline | RW | B | !
  7 Binding | RW | S | !
  8 Registration Update Trigger | E | - | !
  9 Bootstrap-Request Trigger | E | -
  10 APN Link | RW | L
  11 TLS-DTLS Alert Code | R | U
  12 Last Bootstrapped | R | T
  13 Registration Priority Order | - | U
  14 Initial Registration Delay Timer | - | U | | s
  15 Registration Failure Block | - | B
  16 Bootstrap on Registration Failure | - | B
  17 Communication Retry Count | - | U
  18 Communication Retry Timer | - | U | | s
  19 Communication Sequence Delay Timer | - | U | | s
  20 Communication Sequence Retry Count | - | U
  21 Trigger | RW | B
  22 Preferred Transport | RW | S
  23 Mute Send | RW | B
2 LwM2M Access Control | 1.1 | *
  0 Object ID | R | I | !
  1 Object Instance ID | R | I | !
  2 ACL | RW | I | *
  3 Access Control Owner | RW | I | !
3 Device | 1.1 | !
  0 Manufacturer | R | S
  1 Model Number | R | S
  2 Serial Number | R | S
  3 Firmware Version | R | S
  4 Reboot | E | - | !
  5 Factory Reset | E | -
  6 Available Power Sources | R | I | *
  7 Power Source Voltage | R | I | * | mV
  8 Power Source Current | R | I | * | mA
  9 Battery Level | R | I | | %
  10 Memory Free | R | I | | KiB
  11 Error Code | R | I | *!
  12 Reset Error Code | E | -
  13 Current Time | RW | T
  14 UTC Offset | RW | S
  15 Timezone | RW | S
  16 Supported Binding and Modes | R | S | !
  17 Device Type | R | S
  18 Hardware Version | R | S
  19 Software Version | R | S
  20 Battery Status | R | I
  21 Memory Total | R | I | | KiB
  22 ExtDevInfo | R | L | *
4 Connectivity Monitoring | 1.3 |
  0 Network Bearer | R | I | !
  1 Available Network Bearer | R | I | *!
  2 Radio Signal Strength | R | I | ! | dBm
  3 Link Quality | R | I
  4 IP Addresses | R | S | *!
  5 Router IP Addresses | R | S | *
  6 Link Utilization | R | I | | %
  7 APN | R | S | *
  8 Cell ID | R | I
  9 SMNC | R | I
  10 SMCC | R | I
  11 SignalSNR | R | I | | dB
  12 LAC | R | I
  13 Coverage Enhancement Level | R | I
5 Firmware Update | 1.1 |
  0 Package | W | O | !
  1 Package URI | RW | S | !
  2 Update | E | - | !
  3 State | R | I | !
  5 Update Result | R | I | !
  6 PkgName | R | S
  7 PkgVersion | R | S
  8 Firmware Update Protocol Support | R | I | *
  9 Firmware Update Delivery Method | R | I | !
  10 Cancel | E | -
  11 Severity | RW | I
  12 Last State Change Time | R | T
  13 Maximum Defer Period | RW | U | | s
  14 Automatic Upgrade at Download | RW | B
6 Location | 1.0 |
  0 Latitude | R | F | ! | lat
  1 Longitude | R | F | ! | lon
  2 Altitude | R | F | | m
  3 Radius | R | F | | m
  4 Velocity | R | O
  5 Timestamp | R | T | !
  6 Speed | R | F | | m/s
7 Connectivity Statistics | 1.0 |
  0 SMS Tx Counter | R | I
  1 SMS Rx Counter | R | I
  2 Tx Data | R | I | | KiB
  3 Rx Data | R | I | | KiB
  4 Max Message Size | R | I | | B
  5 Average Message Size | R | I | | B
  6 Start | E | - | !
  7 Stop | E | - | !
  8 Collection Period | RW | I | | s
8 Lock and Wipe | 1.0 |
  0 State | RW | I | !
  1 Lock target | W | S | *!
  2 Wipe item | R | S | *
  3 Wipe | E | - | !
  4 Wipe target | W | S | *!
  5 Lock or Wipe Operation Result | R | I | !
9 LwM2M Software Management | 1.0 | *
  0 PkgName | R | S | !
  1 PkgVersion | R | S | !
  2 Package | W | O
  3 Package URI | W | S
  4 Install | E | - | !
  5 Checkpoint | R | L
  6 Uninstall | E | - | !
  7 Update State | R | I | !
  8 Update Supported Objects | RW | B
  9 Update Result | R | I | !
  10 Activate | E | - | !
  11 Deactivate | E | - | !
  12 Activation State | R | B | !
  13 Package Settings | RW | L
  14 User Name | W | S
  15 Password | W | S
  16 Status Reason | R | S
  17 Software Component Link | R | L | *
  18 Software Component tree length | R | I
14 LwM2M Software Component | 1.0 | *
  0 Component Identity | R | S
  1 Component Pack | R | O
  2 Component Version | R | S
  3 Activate | E | -
  4 Deactivate | E | -
  5 Activation State | R | B
21 LwM2M OSCORE | 2.0 | *
  0 OSCORE Master Secret | - | O | !
  1 OSCORE Sender ID | - | O | !
  2 OSCORE Recipient ID | - | O | !
  3 OSCORE AEAD Algorithm | - | I
  4 OSCORE HMAC Algorithm | - | I
  5 OSCORE Master Salt | - | O
  6 OSCORE ID Context | - | O
25 LwM2M Gateway | 2.0 | *
  0 Device ID | R | S | !
  1 Prefix | R | S | !
  3 IoT Device Objects | R | C | !
10252 Manifest Update | 1.0 |
  1 Package | WE | O
  2 State | R | I
  3 Update Result | R | I
  4 Customer Update Result | R | I
  5 PkgName | R | S
  6 PkgVersion | R | I
  9 Update | E | -
10255 Device Metadata | 1.0 |
  0 Protocol Supported | R | I
  3 Vendor | R | O
  4 Class | R | O
35011 Certificate Enrollment | 1.0 |
  27002 Enroll | E | -
"""
