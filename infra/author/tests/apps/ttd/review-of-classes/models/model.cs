namespace Altinn.App.Models
{
    [XmlRoot(ElementName = "case")]
    public class Model
    {
        [XmlElement("case", Order = 1)]
        [JsonPropertyName("case")]
        public Case Case { get; set; }
    }

    // As somebody has changed it: the reference is read before the title, and there is no remark.
    public class Case
    {
        [XmlElement("reference", Order = 1)]
        [JsonPropertyName("reference")]
        public string reference { get; set; }

        [XmlElement("title", Order = 2)]
        [JsonPropertyName("title")]
        public string title { get; set; }
    }
}
