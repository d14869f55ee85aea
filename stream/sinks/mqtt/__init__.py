"""People as messages to an MQTT broker, which is what home automation listens to."""

from stream.sinks.mqtt.config import MqttConfig
from stream.sinks.mqtt.sink import MqttSink

__all__ = ["MqttConfig", "MqttSink"]
