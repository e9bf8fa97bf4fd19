"""Sensors and actuators of the IPSO Smart Objects, with the facts of the OMA registry (2024)."""

from __future__ import annotations

# What nearly every sensor of IPSO has.
_SENSOR = """
  5700 Sensor Value | R | F | !
  5701 Sensor Units | R | S
  5601 Min Measured Value | R | F
  5602 Max Measured Value | R | F
  5603 Min Range Value | R | F
  5604 Max Range Value | R | F
  5605 Reset Min and Max Measured Values | E | -
"""

_RANGE = """
  5601 Min Measured Value | R | F
  5602 Max Measured Value | R | F
  5603 Min Range Value | R | F
  5604 Max Range Value | R | F
  5605 Reset Min and Max Measured Values | E | -
"""

# When and how well it was measured: newer versions of the objects.
_STAMP = """
  5518 Timestamp | R | T
  6050 Fractional Timestamp | R | F | | s
"""

_QUALITY = """
  6042 Measurement Quality Indicator | R | I
  6049 Measurement Quality Level | R | I
"""

TABLE = f"""
3200 Digital Input | 1.1 | *
  5500 Digital Input State | R | B | !
  5501 Digital Input Counter | R | I
  5502 Digital Input Polarity | RW | B
  5503 Digital Input Debounce | RW | I | | ms
  5504 Digital Input Edge Selection | RW | I
  5505 Digital Input Counter Reset | E | -
  5750 Application Type | RW | S
  5751 Sensor Type | R | S
{_STAMP}
3201 Digital Output | 1.1 | *
  5550 Digital Output State | RW | B | !
  5551 Digital Output Polarity | RW | B
  5750 Application Type | RW | S
{_STAMP}
3202 Analog Input | 1.1 | *
{_RANGE}
  5600 Analog Input Current Value | R | F | !
  5750 Application Type | RW | S
  5751 Sensor Type | R | S
{_STAMP}
{_QUALITY}
3203 Analog Output | 1.1 | *
  5650 Analog Output Current Value | RW | F | !
  5750 Application Type | RW | S
  5603 Min Range Value | R | F
  5604 Max Range Value | R | F
{_STAMP}
3300 Generic Sensor | 1.1 | *
{_SENSOR}
  5750 Application Type | RW | S
  5751 Sensor Type | R | S
{_STAMP}
{_QUALITY}
3301 Illuminance | 1.1 | *
{_SENSOR}
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3302 Presence | 1.1 | *
  5500 Digital Input State | R | B | !
  5501 Digital Input Counter | R | I
  5505 Digital Input Counter Reset | E | -
  5751 Sensor Type | R | S
  5903 Busy to Clear delay | RW | I | | ms
  5904 Clear to Busy delay | RW | I | | ms
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3303 Temperature | 1.1 | *
{_SENSOR}
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3304 Humidity | 1.1 | *
{_SENSOR}
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3305 Power Measurement | 1.1 | *
  5800 Instantaneous active power | R | F | ! | W
  5801 Min Measured active power | R | F | | W
  5802 Max Measured active power | R | F | | W
  5803 Min Range active power | R | F | | W
  5804 Max Range active power | R | F | | W
  5805 Cumulative active power | R | F | | Wh
  5806 Active Power Calibration | W | F | | W
  5810 Instantaneous reactive power | R | F | | var
  5811 Min Measured reactive power | R | F | | var
  5812 Max Measured reactive power | R | F | | var
  5813 Min Range reactive power | R | F | | var
  5814 Max Range reactive power | R | F | | var
  5815 Cumulative reactive power | R | F | | varh
  5816 Reactive Power Calibration | W | F | | var
  5820 Power factor | R | F
  5821 Current Calibration | RW | F
  5822 Reset Cumulative energy | E | -
  5605 Reset Min and Max Measured Values | E | -
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3306 Actuation | 1.1 | *
  5850 On/Off | RW | B | !
  5851 Dimmer | RW | I | | %
  5852 On time | RW | I | | s
  5853 Multi-state Output | RW | S
  5750 Application Type | RW | S
{_STAMP}
3308 Set Point | 1.1 | *
  5900 Set Point Value | RW | F | !
  5701 Sensor Units | R | S
  5706 Colour | RW | S
  5750 Application Type | RW | S
{_STAMP}
3310 Load Control | 1.1 | *
  5823 Event Identifier | RW | S | !
  5824 Start Time | RW | T | !
  5825 Duration In Min | RW | I | ! | min
  5826 Criticality Level | RW | I
  5827 Avg Load AdjPct | RW | I | | %
  5828 Duty Cycle | RW | I | | %
  5750 Application Type | RW | S
{_STAMP}
3311 Light Control | 1.0 | *
  5850 On/Off | RW | B | !
  5851 Dimmer | RW | I | | %
  5852 On time | RW | I | | s
  5805 Cumulative active power | R | F | | Wh
  5820 Power factor | R | F
  5706 Colour | RW | S
  5701 Sensor Units | R | S
  5750 Application Type | RW | S
3312 Power Control | 1.1 | *
  5850 On/Off | RW | B | !
  5851 Dimmer | RW | I | | %
  5852 On time | RW | I | | s
  5805 Cumulative active power | R | F | | Wh
  5820 Power factor | R | F
  5750 Application Type | RW | S
{_STAMP}
3313 Accelerometer | 1.1 | *
  5702 X Value | R | F | !
  5703 Y Value | R | F
  5704 Z Value | R | F
  5701 Sensor Units | R | S
  5603 Min Range Value | R | F
  5604 Max Range Value | R | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3314 Magnetometer | 1.1 | *
  5702 X Value | R | F | !
  5703 Y Value | R | F
  5704 Z Value | R | F
  5705 Compass Direction | R | F | | deg
  5701 Sensor Units | R | S
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3315 Barometer | 1.1 | *
{_SENSOR}
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3316 Voltage | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3317 Current | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3318 Frequency | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3319 Depth | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3320 Percentage | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3321 Altitude | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3322 Load | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3323 Pressure | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3324 Loudness | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3325 Concentration | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3326 Acidity | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3327 Conductivity | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3328 Power | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3329 Power Factor | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3330 Distance | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3331 Energy | 1.1 | *
  5700 Sensor Value | R | F | !
  5701 Sensor Units | R | S
  5822 Reset Cumulative energy | E | -
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3332 Direction | 1.1 | *
  5705 Compass Direction | R | F | ! | deg
  5601 Min Measured Value | R | F
  5602 Max Measured Value | R | F
  5605 Reset Min and Max Measured Values | E | -
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3333 Time | 1.1 | *
  5506 Current Time | RW | T | !
  5507 Fractional Time | RW | F | | s
  5750 Application Type | RW | S
{_QUALITY}
3334 Gyrometer | 1.1 | *
  5702 X Value | R | F | !
  5703 Y Value | R | F
  5704 Z Value | R | F
  5701 Sensor Units | R | S
  5508 Min X Value | R | F
  5509 Max X Value | R | F
  5510 Min Y Value | R | F
  5511 Max Y Value | R | F
  5512 Min Z Value | R | F
  5513 Max Z Value | R | F
  5605 Reset Min and Max Measured Values | E | -
  5603 Min Range Value | R | F
  5604 Max Range Value | R | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3335 Colour | 1.1 | *
  5706 Colour | RW | S | !
  5701 Sensor Units | R | S
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3336 Location | 2.0 | *
  6051 Numeric Latitude | R | F | ! | lat
  6052 Numeric Longitude | R | F | ! | lon
  6053 Numeric Uncertainty | R | F | | m
  5705 Compass Direction | R | F | | deg
  5517 Velocity | R | O
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3337 Positioner | 1.1 | *
  5536 Current Position | RW | F | ! | %
  5537 Transition Time | RW | F | | s
  5538 Remaining Time | R | F | | s
  5601 Min Measured Value | R | F
  5602 Max Measured Value | R | F
  5605 Reset Min and Max Measured Values | E | -
  5519 Min Limit | R | F
  5520 Max Limit | R | F
  5750 Application Type | RW | S
{_STAMP}
3338 Buzzer | 1.1 | *
  5850 On/Off | RW | B | !
  5548 Level | RW | F | | %
  5521 Delay Duration | RW | F | | s
  5525 Minimum Off-time | RW | F | ! | s
  5750 Application Type | RW | S
{_STAMP}
3339 Audio Clip | 1.0 | *
  5522 Clip | RW | O | !
  5523 Trigger | E | -
  5548 Level | RW | F | | %
  5524 Duration | RW | F | | s
  5750 Application Type | RW | S
3340 Timer | 1.0 | *
  5521 Delay Duration | RW | F | ! | s
  5538 Remaining Time | R | F | | s
  5525 Minimum Off-time | RW | F | | s
  5523 Trigger | E | -
  5850 On/Off | RW | B
  5501 Digital Input Counter | R | I
  5544 Cumulative Time | RW | F | | s
  5543 Digital State | R | B
  5534 Counter | RW | I
  5526 Timer Mode | RW | I
  5750 Application Type | RW | S
3341 Addressable Text Display | 1.0 | *
  5527 Text | RW | S | !
  5528 X Coordinate | RW | I
  5529 Y Coordinate | RW | I
  5545 Max X Coordinate | R | I
  5546 Max Y Coordinate | R | I
  5530 Clear Display | E | -
  5548 Level | RW | F | | %
  5531 Contrast | RW | F | | %
  5750 Application Type | RW | S
3342 On/Off switch | 1.1 | *
  5500 Digital Input State | R | B | !
  5501 Digital Input Counter | R | I
  5852 On time | RW | I | | s
  5854 Off Time | RW | I | | s
  5750 Application Type | RW | S
{_STAMP}
3343 Dimmer | 1.0 | *
  5548 Level | RW | F | ! | %
  5852 On time | RW | I | | s
  5854 Off Time | RW | I | | s
  5750 Application Type | RW | S
3344 Up/Down Control | 1.0 | *
  5532 Increase Input State | R | B | !
  5533 Decrease Input State | R | B | !
  5541 Up Counter | RW | I
  5542 Down Counter | RW | I
  5750 Application Type | RW | S
3345 Multiple Axis Joystick | 1.0 | *
  5500 Digital Input State | R | B
  5501 Digital Input Counter | R | I
  5702 X Value | R | F
  5703 Y Value | R | F
  5704 Z Value | R | F
  5750 Application Type | RW | S
3346 Rate | 1.1 | *
{_SENSOR}
  5821 Current Calibration | RW | F
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
3347 Push button | 1.1 | *
  5500 Digital Input State | R | B | !
  5501 Digital Input Counter | R | I
  5750 Application Type | RW | S
{_STAMP}
3348 Multi-state Selector | 1.1 | *
  5547 Multi-state Input | R | I | !
  5750 Application Type | RW | S
{_STAMP}
3349 Bitmap | 1.1 | *
  5910 Bitmap Input | R | I | !
  5911 Bitmap Input Reset | E | -
  5912 Element Description | RW | S | *
  5750 Application Type | RW | S
{_STAMP}
3350 Stopwatch | 1.1 | *
  5544 Cumulative Time | RW | F | ! | s
  5850 On/Off | RW | B
  5501 Digital Input Counter | R | I
  5750 Application Type | RW | S
{_STAMP}
{_QUALITY}
"""
