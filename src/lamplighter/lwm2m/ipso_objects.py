"""Sensors and actuators of the IPSO Smart Objects, as in the OMA registry."""

from __future__ import annotations

# What nearly every sensor of IPSO has around its value.
_SENSOR = """
  5700 Sensor Value | R | F | !
  5701 Sensor Units | R | S
  5601 Min Measured Value | R | F
  5602 Max Measured Value | R | F
  5603 Min Range Value | R | F
  5604 Max Range Value | R | F
  5605 Reset Min and Max Measured Values | E | -
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
3300 Generic Sensor | 1.1 | *
{_SENSOR}
  5750 Application Type | RW | S
  5751 Sensor Type | R | S
3301 Illuminance | 1.1 | *
{_SENSOR}
3303 Temperature | 1.1 | *
{_SENSOR}
3304 Humidity | 1.1 | *
{_SENSOR}
3305 Power Measurement | 1.1 | *
  5800 Instantaneous Active Power | R | F | ! | W
  5801 Min Measured Active Power | R | F | | W
  5802 Max Measured Active Power | R | F | | W
  5803 Min Range Active Power | R | F | | W
  5804 Max Range Active Power | R | F | | W
  5805 Cumulative Active Power | R | F | | Wh
  5806 Active Power Calibration | W | F | | W
  5810 Instantaneous Reactive Power | R | F | | var
  5811 Min Measured Reactive Power | R | F | | var
  5812 Max Measured Reactive Power | R | F | | var
  5813 Min Range Reactive Power | R | F | | var
  5814 Max Range Reactive Power | R | F | | var
  5815 Cumulative Reactive Power | R | F | | varh
  5816 Reactive Power Calibration | W | F | | var
  5820 Power Factor | R | F
  5821 Current Calibration | RW | F
  5605 Reset Min and Max Measured Values | E | -
  5822 Reset Cumulative Energy | E | -
3308 Set Point | 1.1 | *
  5900 Set Point Value | RW | F | !
  5701 Sensor Units | RW | S
  5706 Colour | RW | S
  5750 Application Type | RW | S
3311 Light Control | 1.1 | *
  5850 On/Off | RW | B | !
  5851 Dimmer | RW | I | | %
  5852 On Time | RW | I | | s
  5805 Cumulative Active Power | R | F | | Wh
  5820 Power Factor | R | F
  5706 Colour | RW | S
  5701 Sensor Units | R | S
  5750 Application Type | RW | S
3312 Power Control | 1.1 | *
  5850 On/Off | RW | B | !
  5851 Dimmer | RW | I | | %
  5852 On Time | RW | I | | s
  5805 Cumulative Active Power | R | F | | Wh
  5820 Power Factor | R | F
  5750 Application Type | RW | S
3336 Location | 1.0 | *
  5514 Latitude | R | S | !
  5515 Longitude | R | S | !
  5516 Uncertainty | R | S
  5705 Compass Direction | R | F | | deg
  5517 Velocity | R | O
  5518 Timestamp | R | T
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
3342 On/Off Switch | 1.1 | *
  5500 Digital Input State | R | B | !
  5501 Digital Input Counter | R | I
  5852 On Time | RW | I | | s
  5854 Off Time | RW | I | | s
  5750 Application Type | RW | S
3347 Push Button | 1.1 | *
  5500 Digital Input State | R | B | !
  5501 Digital Input Counter | R | I
  5750 Application Type | RW | S
"""
