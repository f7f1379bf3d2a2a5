using Altinn.App.Core.Features;

namespace Altinn.App.Logic
{
    public class LengsteBat : IDataProcessor
    {
    }
}
