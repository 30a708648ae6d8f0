"""A real Apache Kafka (KRaft, one node) from jars and a Java that come as packages."""
