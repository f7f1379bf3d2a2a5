using System.Collections.Generic;
using System.Xml.Serialization;

namespace Altinn.App.Models.Batplass
{
    [XmlRoot(ElementName = "batplass")]
    public class Batplass
    {
        [XmlElement("eier", Order = 1)]
        public string eier { get; set; }

        [XmlElement("bater", Order = 2)]
        public List<Bat> bater { get; set; }
    }

    public class Bat
    {
        [XmlElement("navn", Order = 1)]
        public string navn { get; set; }

        [XmlElement("lengde", Order = 2)]
        public decimal? lengde { get; set; }
    }
}
