//! What can be given as a topic or as a filter. Sealed: the conversions are those of the protocol's types.

use bowline_proto::types::topic::TopicError;
use bowline_proto::{TopicFilter, TopicName};

/// Something that names a topic: a string, or a [`TopicName`] that was checked before and costs nothing.
pub trait IntoTopic: sealed::Sealed {
    /// The topic.
    ///
    /// # Errors
    /// If it is empty, has a wildcard, or is not an MQTT string.
    fn into_topic(self) -> Result<TopicName, TopicError>;
}

/// Something that is a topic filter: a string, or a [`TopicFilter`] that was checked before.
pub trait IntoFilter: sealed::Sealed {
    /// The filter.
    ///
    /// # Errors
    /// If it is empty, misplaces a wildcard, is a bad shared filter, or is not an MQTT string.
    fn into_filter(self) -> Result<TopicFilter, TopicError>;
}

mod sealed {
    #[expect(unnameable_types, reason = "this is what seals the conversions")]
    pub trait Sealed {}
}

macro_rules! text {
    ($($text:ty),*) => {$(
        impl sealed::Sealed for $text {}

        impl IntoTopic for $text {
            fn into_topic(self) -> Result<TopicName, TopicError> {
                TopicName::try_from(self)
            }
        }

        impl IntoFilter for $text {
            fn into_filter(self) -> Result<TopicFilter, TopicError> {
                TopicFilter::try_from(self)
            }
        }
    )*};
}

text!(&str, String);

impl sealed::Sealed for &String {}
impl sealed::Sealed for TopicName {}
impl sealed::Sealed for &TopicName {}
impl sealed::Sealed for TopicFilter {}
impl sealed::Sealed for &TopicFilter {}

impl IntoTopic for &String {
    fn into_topic(self) -> Result<TopicName, TopicError> {
        TopicName::try_from(self.as_str())
    }
}

impl IntoFilter for &String {
    fn into_filter(self) -> Result<TopicFilter, TopicError> {
        TopicFilter::try_from(self.as_str())
    }
}

impl IntoTopic for TopicName {
    fn into_topic(self) -> Result<TopicName, TopicError> {
        Ok(self)
    }
}

impl IntoTopic for &TopicName {
    fn into_topic(self) -> Result<TopicName, TopicError> {
        Ok(self.clone())
    }
}

impl IntoFilter for TopicFilter {
    fn into_filter(self) -> Result<TopicFilter, TopicError> {
        Ok(self)
    }
}

impl IntoFilter for &TopicFilter {
    fn into_filter(self) -> Result<TopicFilter, TopicError> {
        Ok(self.clone())
    }
}
