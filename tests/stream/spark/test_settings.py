"""The sample file shows every setting of the engine with its default; passwords go to Kafka's client quoted."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

import stream
from models.contracts.settings import KafkaSettings, SettingsError, parse
from stream.spark.session import kafka_options
from stream.spark.settings import SparkSettings

FOLDER = Path(stream.__file__).parent


def test_the_sample_shows_every_key_with_its_default_beside_those_of_a_worker() -> None:
    text = (FOLDER / "stream.sample.toml").read_text() + (FOLDER / "spark" / "spark.sample.toml").read_text()
    assert tomllib.loads(text) == msgspec.json.decode(msgspec.json.encode(SparkSettings()))
    assert parse(text, SparkSettings) == SparkSettings()


def test_an_unknown_key_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(SettingsError, match=r"unknown key 'trigger_second' \[spark\]; did you mean 'trigger_seconds'"):
        parse("[spark]\ntrigger_second = 3", SparkSettings)


def test_kafka_with_a_password_and_an_authority_in_the_words_of_its_java_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", 'a"b\\c')
    settings = KafkaSettings(
        bootstrap=("a:1", "b:2"),
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="plenum",
        sasl_password_file="env:KAFKA_PASSWORD",
    )
    assert kafka_options(settings) == {
        "kafka.bootstrap.servers": "a:1,b:2",
        "kafka.security.protocol": "SASL_PLAINTEXT",
        "kafka.sasl.mechanism": "SCRAM-SHA-512",
        "kafka.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required"
        ' username="plenum" password="a\\"b\\\\c";',
    }


def test_a_protocol_that_kafka_does_not_know_is_refused() -> None:
    with pytest.raises(SettingsError, match="security_protocol 'SLS', expected one of PLAINTEXT"):
        kafka_options(KafkaSettings(security_protocol="SLS"))
